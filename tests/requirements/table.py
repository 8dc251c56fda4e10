"""The requirements R1 to R15 and S1 to S16, and the tests that prove each: ``docs/requirements.md`` is drawn from it.

A row without a test says why. ``limits`` is what its tests do not prove.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row. ``tests`` are pytest's node ids, without parameters."""

    id: str
    text: str
    tests: tuple[str, ...] = ()
    limits: str = ""
    open: str = ""


AD = "tests/connectors/active_directory"
GRAPH = "tests/connectors/graph"
FOLDER = "tests/connectors/folder"
SMB = "tests/connectors/smb"
FLEET = "tests/fleet/simulation/test_fleet.py"

ROWS: tuple[Requirement, ...] = (
    Requirement(
        "R1",
        "kill -9 at every step resumes without loss or duplicate",
        (
            "tests/machines/test_kill.py::test_killed_five_times",
            "tests/daemon/test_cutover.py::test_r1_killed_at_any_moment_it_goes_on",
            "tests/machines/test_changeover.py::TestChangeover::runTest",
            "tests/machines/test_fault_points.py::test_an_access_to_the_database_may_fail",
            "tests/machines/test_fault_points.py::test_a_call_of_a_side_may_fail",
            "tests/machines/test_fault_points_shares.py::test_a_call_of_the_file_system_may_fail",
            "tests/machines/test_fault_points_shares.py::test_a_request_may_fail",
            f"{AD}/test_samba_writing_people.py::test_a_creation_cut_off_anywhere_is_finished_and_never_made_twice",
            f"{GRAPH}/test_faults.py::test_cut_off_anywhere_and_started_again_it_ends_the_same_with_nobody_twice",
        ),
    ),
    Requirement(
        "R2",
        "an overflow or deafness of the watcher never loses a change",
        (
            f"{FOLDER}/test_overflow.py::test_more_events_than_the_kernel_remembers_lose_no_change",
            f"{FOLDER}/test_observing.py::test_a_deaf_watch_is_noticed",
            f"{SMB}/test_troubles.py::test_an_overflow_of_the_servers_buffer_loses_nothing",
        ),
        limits="with 40 folders; 20,000 were tried by hand only",
    ),
    Requirement(
        "R3",
        "an interrupted scan never yields deletions",
        (
            f"{AD}/test_samba_trust.py::test_an_outage_in_the_middle_of_a_listing_is_never_complete",
            "tests/conformance/test_smb.py::TestSmb::test_a_listing_that_is_not_read_to_its_end_is_never_complete",
            "tests/conformance/test_folder.py::TestFolder::test_a_listing_that_is_not_read_to_its_end_is_never_complete",
            f"{SMB}/test_troubles.py::test_nothing_is_concluded_about_a_folder_that_may_not_be_read",
            "tests/core/test_guard.py::test_missing_is_no_evidence",
        ),
    ),
    Requirement(
        "R4",
        "an unmounted or empty root is not “all deleted”",
        (
            f"{FOLDER}/test_writing.py::test_a_root_that_is_replaced_stops_everything",
            f"{SMB}/test_shares.py::test_a_root_that_is_another_folder_now_proves_nothing",
            "tests/connectors/graph_drive/test_reading.py::test_a_mirrored_folder_that_is_gone_proves_nothing",
            "tests/core/test_guard.py::test_an_empty_side_removes_nobody",
        ),
    ),
    Requirement(
        "R5",
        "more deletions than the threshold (count or percent) halt that school and need a person",
        (
            "tests/core/test_guard.py::test_limit",
            "tests/core/test_guard.py::test_at_the_limit_all_pass_above_it_none",
            "tests/core/test_guard.py::test_a_wave_that_comes_in_drops_is_a_wave",
            "tests/daemon/test_command.py::test_too_much_is_held_told_and_released_by_name",
        ),
    ),
    Requirement(
        "R6",
        "edits on both sides: both versions are kept and told",
        (
            "tests/core/test_planner.py::test_files_end_equal_and_nothing_written_is_lost",
            "tests/machines/test_trees.py::test_trees",
            "tests/engine/test_conflicts.py::test_the_loser_gets_a_name_on_both_sides_and_is_remembered",
        ),
    ),
    Requirement(
        "R7",
        "429 and 503 honour Retry-After; no nested storm of retries",
        (
            f"{GRAPH}/test_faults.py::test_a_storm_of_429_sends_each_request_again_once_and_only_the_refused_parts",
            f"{GRAPH}/test_faults.py::test_retry_after_stops_everything_of_ours",
            f"{GRAPH}/test_faults.py::test_a_service_that_stays_busy_is_unreachable_after_one_patience",
            "tests/connectors/graph_drive/test_reading.py::test_retry_after_rests_everything",
        ),
    ),
    Requirement(
        "R8",
        "a hub that is away for 72 hours: the site goes on, and its outbox drains in order",
        (
            f"{FLEET}::test_r8_a_hub_away_for_three_days_gets_all_in_order_and_no_old_states",
            f"{FLEET}::test_whatever_the_lines_do_all_is_told_once_and_in_order",
            f"{FLEET}::test_a_site_put_back_from_a_backup_begins_a_new_epoch_and_loses_nothing_that_it_knows",
            "tests/fleet/test_outbox.py::test_a_newer_state_takes_the_place_of_one_that_was_not_sent_and_events_are_all_kept",
        ),
        limits="72 hours are simulated, with two sites (41 in `make soak`); real lines are cut for minutes "
        "(`make demo-fleet`)",
    ),
    Requirement(
        "R9",
        "10⁶ objects are planned in less than 512 MiB",
        (
            "tests/engine/test_scale.py::test_an_edited_file_costs_the_same_in_any_share",
            "tests/state/test_cost.py::test_500_links_cost_as_many_statements_as_5",
            "tests/engine/test_scale.py::test_a_renamed_folder_is_one_write_whatever_is_below",
            "tests/engine/test_planned.py::test_five_times_as_many_files_need_hardly_more_memory",
            "tests/engine/test_planned.py::test_r9_a_million_files_are_planned_in_less_than_512_mib",
        ),
        limits="10⁶ in `make soak`; 20,000 with each test run",
    ),
    Requirement(
        "R10",
        "a bad reload keeps the old configuration, and the status says so",
        (
            "tests/daemon/test_service.py::test_r10_a_bad_reload_keeps_the_old_configuration_and_exit_code_and_status_tell",
            "tests/daemon/test_command.py::test_the_daemon_mirrors_reloads_and_stops",
        ),
    ),
    Requirement(
        "R11",
        "a freeze whose deadline has passed rolls back by itself",
        (
            "tests/daemon/test_cutover.py::test_r11_a_deadline_that_passes_rolls_back_by_itself",
            "tests/daemon/test_cutover.py::test_a_deadline_passes_also_while_the_cloud_is_away",
            "tests/machines/test_changeover.py::TestChangeover::runTest",
        ),
    ),
    Requirement(
        "R12",
        "nothing is final without two different approvers and fresh gates",
        (
            "tests/daemon/test_cutover.py::test_r12_nothing_is_final_without_two_different_people",
            "tests/machines/test_changeover.py::TestChangeover::runTest",
            "tests/core/test_gates.py::test_a_gate_holds_by_a_fresh_pass_or_by_a_word_that_counts_and_by_nothing_else",
        ),
        limits="that two accounts are two people is not for a program to know",
    ),
    Requirement(
        "R13",
        "a dry run writes nothing",
        (
            "tests/daemon/test_cutover.py::test_r13_a_dry_run_of_a_cutover_writes_nothing",
            "tests/daemon/test_command.py::test_a_plan_after_a_change_shows_before_and_after_and_writes_nothing",
            "tests/core/test_cutover.py::test_paused_and_early_stages_write_nothing",
            "tests/core/test_guard.py::test_a_stage_that_writes_nothing_holds_everything",
            f"{AD}/test_samba_writing_people.py::test_read_only_writes_nothing",
        ),
    ),
    Requirement(
        "R14",
        "another domain controller, or one put back: everything is compared, nothing deleted",
        (
            f"{AD}/test_samba_trust.py::test_a_restored_server_needs_a_full_compare",
            f"{AD}/test_samba_trust.py::test_put_back_without_being_told",
            f"{AD}/test_samba_trust.py::test_failover_to_another_server_and_back",
        ),
    ),
    Requirement(
        "R15",
        "SIGTERM stops in time, without half files",
        (
            "tests/daemon/test_isolation.py::test_r15_sigterm_stops_within_the_time_of_the_unit_also_while_a_side_hangs",
            "tests/daemon/test_service.py::test_a_stop_in_the_middle_loses_nothing_and_makes_nobody_twice",
            "tests/daemon/test_command.py::test_the_daemon_mirrors_reloads_and_stops",
            f"{FOLDER}/test_given_up.py::test_a_piece_that_is_given_up_goes_into_no_other_file",
            f"{FOLDER}/test_leftovers.py::test_a_killed_process_leaves_nothing_for_long",
        ),
    ),
    Requirement(
        "S1",
        "LDAPS refuses a wrong authority, a wrong host, an expired certificate; plain LDAP is refused",
        (
            f"{AD}/test_samba_trust.py::test_certificate_of_another_authority",
            f"{AD}/test_samba_trust.py::test_certificate_for_another_name",
            f"{AD}/test_samba_trust.py::test_certificate_expired",
            f"{AD}/test_samba_trust.py::test_what_is_refused_before_anything_is_sent",
        ),
    ),
    Requirement(
        "S2",
        "nothing in a value changes an LDAP filter or a DN",
        (
            f"{AD}/test_wire.py::test_nothing_in_a_value_changes_a_filter",
            f"{AD}/test_wire.py::test_no_name_pretends_to_stand_somewhere_else",
            f"{AD}/test_wire.py::test_a_guid_that_is_none_never_reaches_a_filter",
            f"{AD}/test_wire.py::test_no_guid_filter_of_20_000_is_corrupted",
            f"{AD}/test_samba_listing.py::test_a_member_filter_finds_names_with_special_characters",
        ),
    ),
    Requirement(
        "S3",
        "no path leads out of a root: .., absolute, links exchanged meanwhile, NUL, backslash, colon, reserved names",
        (
            f"{FOLDER}/test_escape.py::test_a_race_of_links_never_opens_what_is_outside",
            f"{FOLDER}/test_escape.py::test_paths_and_links_that_lead_out_are_refused",
            f"{FOLDER}/test_escape.py::test_what_is_special_elsewhere_is_a_plain_name_here",
            f"{FOLDER}/test_escape.py::test_a_zero_byte_is_no_end_of_a_path",
            f"{FOLDER}/test_writing.py::test_nothing_outside_the_root_is_written",
            f"{SMB}/test_shares.py::test_a_taken_or_impossible_name_is_refused",
            f"{SMB}/test_shares.py::test_links_are_reported_and_not_followed_round_and_round",
            "tests/connectors/graph_drive/test_file_names.py::test_what_the_cloud_gets_is_allowed_and_reads_back",
            "tests/core/test_tree.py::test_names_clash_by_case_and_unicode_form",
        ),
    ),
    Requirement(
        "S4",
        "protected objects (adminCount, listed groups, role-assignable, outside the scope) are never written",
        (
            f"{AD}/test_mapping.py::test_never_mirrored_whatever_the_configuration_says",
            f"{AD}/test_samba_listing.py::test_nothing_privileged_is_shown_even_when_everything_is_in_scope",
            f"{AD}/test_samba_changes.py::test_whoever_becomes_privileged_is_left_alone",
            f"{AD}/test_samba_writing_people.py::test_privileged_and_outside_are_never_written",
            f"{AD}/test_samba_writing_people.py::test_a_rule_never_puts_anybody_into_a_privileged_group",
            f"{GRAPH}/test_users.py::test_a_privileged_user_is_refused_once_and_not_tried_again",
            "tests/passwords/test_both_sides.py::test_a_privileged_account_is_never_touched",
        ),
    ),
    Requirement(
        "S5",
        "no secret in logs, errors, state, reports or the shown configuration",
        (
            "tests/daemon/test_canary.py::test_a_secret_that_works_is_in_no_output_and_no_file",
            "tests/daemon/test_canary.py::test_a_secret_that_is_refused_is_in_no_error",
            "tests/daemon/test_settings.py::test_secrets_in_the_file_are_refused_and_never_repeated",
            "tests/daemon/test_settings.py::test_the_effective_configuration_shows_references_and_no_secret",
            "tests/api/test_doors.py::test_s5_no_secret_in_any_answer",
            f"{GRAPH}/test_client.py::test_no_secret_shows_anywhere",
        ),
        limits="the secret that is looked for everywhere is the cloud's; memory dumps are not looked into",
    ),
    Requirement(
        "S6",
        "SMB is signed always, encrypted where that is asked for; no guest, no SMB 1",
        (
            f"{SMB}/test_authentic.py::test_bytes_that_are_exchanged_on_their_way_are_never_taken",
            f"{SMB}/test_authentic.py::test_a_server_that_need_not_sign_has_to",
            f"{SMB}/test_authentic.py::test_nobody_becomes_a_guest",
            f"{SMB}/test_authentic.py::test_a_server_that_speaks_smb_1_only_is_not_spoken_to",
            f"{SMB}/test_authentic.py::test_where_encryption_is_asked_for_nothing_is_sent_without",
            f"{SMB}/test_authentic.py::test_a_server_that_insists_on_encryption_is_spoken_to_encrypted",
        ),
    ),
    Requirement(
        "S7",
        "every address of the API needs a token, unless listed; rights by school",
        (
            "tests/api/test_doors.py::test_s7_no_address_opens_without_a_valid_token",
            "tests/api/test_doors.py::test_s7_each_scope_opens_what_the_document_says",
        ),
    ),
    Requirement(
        "S8",
        "tokens are random, hashed, expiring, revocable; their use is limited",
        (
            "tests/api/test_doors.py::test_s8_tokens_are_random_hashed_and_end",
            "tests/api/test_doors.py::test_s8_making_and_revoking_stands_in_the_journals_of_its_schools",
            "tests/api/test_limits.py::test_s8_wrong_tokens_are_limited_and_valid_ones_are_not",
        ),
    ),
    Requirement(
        "S9",
        "the journal tells of an edit, deletion, insertion or truncation of any row",
        (
            "tests/state/test_journal.py::test_every_column_of_every_row_counts",
            "tests/state/test_journal.py::test_no_column_of_the_chain_can_be_emptied",
            "tests/state/test_journal.py::test_a_dropped_row_is_found",
            "tests/state/test_journal.py::test_a_dropped_row_is_found_even_when_the_rest_moves_up",
            "tests/state/test_journal.py::test_an_inserted_row_is_found",
            "tests/state/test_journal.py::test_two_rows_that_changed_places_are_found",
            "tests/state/test_journal.py::test_a_truncated_journal_is_found",
            "tests/state/test_journal.py::test_a_chain_written_anew_is_found_by_a_checkpoint",
            "tests/daemon/test_evidence.py::test_a_journal_that_was_cut_off_and_given_a_new_head_is_noticed",
        ),
    ),
    Requirement(
        "S10",
        "a signed report is verified offline; a change of one bit is told",
        (
            "tests/daemon/test_signed.py::test_every_single_bit_of_the_file_counts",
            "tests/daemon/test_signed.py::test_any_report_holds_until_a_bit_is_flipped",
            "tests/daemon/test_signed.py::test_a_report_signed_anew_by_another_key_shows_another_fingerprint",
            "tests/daemon/test_evidence.py::test_it_is_checked_on_a_machine_that_has_nothing_of_the_bridge",
            "tests/daemon/test_evidence.py::test_a_report_of_another_key_is_told_by_its_fingerprint",
            "tests/daemon/test_evidence.py::test_a_manifest_that_is_not_the_signed_one_is_refused",
        ),
    ),
    Requirement(
        "S11", "the unit's exposure is at most 2.5", ("tests/package/test_files.py::test_s11_the_units_expose_little",)
    ),
    Requirement(
        "S12",
        "locked dependencies are complete with hashes; an SBOM is made; the audit fails closed",
        (
            "tests/requirements/test_locks.py::test_every_requirement_is_pinned_and_has_hashes",
            "tests/requirements/test_locks.py::test_what_the_project_needs_is_locked",
            "tests/requirements/test_locks.py::test_installing_takes_nothing_without_a_hash",
            "tests/requirements/test_locks.py::test_s12_a_bill_of_materials_names_each_locked_library_with_its_hashes",
        ),
        limits="the audit needs a service that is not reachable everywhere",
    ),
    Requirement(
        "S13",
        "YAML: no objects by tags, no alias bomb, no secret in the file",
        (
            "tests/daemon/test_settings.py::test_a_tag_makes_no_object_and_does_nothing",
            "tests/daemon/test_settings.py::test_an_alias_bomb_is_stopped",
            "tests/daemon/test_settings.py::test_files_that_are_no_configuration",
            "tests/daemon/test_settings.py::test_secrets_in_the_file_are_refused_and_never_repeated",
        ),
    ),
    Requirement(
        "S14",
        "what belongs to one school can neither read nor write for another",
        (
            "tests/api/test_doors.py::test_s14_another_school_looks_as_if_there_were_none",
            "tests/api/test_doors.py::test_s14_the_board_shows_the_tokens_schools_only",
            "tests/fleet/test_hub_doors.py::test_s14_a_site_writes_only_its_own_schools",
            "tests/fleet/test_hub_doors.py::test_a_ticket_is_good_once_and_for_its_site",
            "tests/fleet/test_hub_doors.py::test_a_certificate_of_another_authority_does_not_even_connect",
            "tests/fleet/test_hub_doors.py::test_a_question_is_sent_once_and_answered_by_whom_it_was_asked",
        ),
    ),
    Requirement(
        "S15",
        "pages: escaping, a strict content policy, tokens against forged requests, hostile names shown safely",
        (
            "tests/dashboard/test_browser.py::test_s15_hostile_names_are_shown_and_do_nothing",
            "tests/dashboard/test_browser.py::test_s15_the_policy_stops_what_got_in_all_the_same",
            "tests/dashboard/test_http.py::test_s15_what_is_asked_must_come_from_a_page_of_the_dashboard",
            "tests/passwords/test_page.py::test_what_does_not_come_from_the_page_is_refused",
            "tests/daemon/test_evidence.py::test_gates_appear_with_evidence_age_and_who_vouched",
        ),
    ),
    Requirement(
        "S16",
        "tokens for the cloud go to its own hosts only, and not along with uploads",
        (
            f"{GRAPH}/test_client.py::test_the_token_never_follows_a_redirect",
            f"{GRAPH}/test_client.py::test_the_token_never_follows_a_link_to_another_host",
            f"{GRAPH}/test_client.py::test_a_stored_token_that_points_elsewhere_is_not_followed",
            "tests/connectors/graph_drive/test_uploads.py::test_content_goes_to_known_hosts_only",
        ),
    ),
)


def drawn() -> str:
    """The table as the docs show it."""
    lines = ["| id | requirement | proved by | not proved |", "|---|---|---|---|"]
    for row in ROWS:
        tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in row.tests) or "–"
        lines.append(f"| {row.id} | {row.text.replace('|', '/')} | {tests} | {row.open or row.limits or '–'} |")
    return "\n".join(lines)
