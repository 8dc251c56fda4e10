"""``verify`` and ``restore`` beside the running daemon, with a OneDrive of the sandbox."""

from pathlib import Path

from tests.daemon.live import Live


def test_verify_and_restore_beside_the_daemon(tmp_path: Path) -> None:
    live = Live(tmp_path, people=1)
    try:
        home = live.home("anna0")
        live.start()
        live.until(lambda: live.row()["complete"] == 1)
        user = live.account("anna0")
        (home / "Deutsch").mkdir()
        for name in ("Aufsatz.docx", "b: c.txt"):
            (home / "Deutsch" / name).write_bytes(name.encode() * 500)
        live.until(lambda: len(live.drives.tree(user)) == 3)
        live.at_rest()
        answer = live.school.run("verify", "--json", "--download", "--names")
        assert answer.code == 0, answer.out + answer.err
        assert answer.json["contents_compared"] == 2
        live.drives.delete(user, "Deutsch/Aufsatz.docx")
        live.until(lambda: not (home / "Deutsch" / "Aufsatz.docx").exists())
        live.at_rest()
        (one,) = live.school.run("restore", "0123", "--side", "cloud", "--json").json["trash"]
        assert one["path"] == "Deutsch/Aufsatz.docx"
        back = live.school.run("restore", "0123", "Deutsch/Aufsatz.docx", "--side", "cloud")
        assert back.code == 0, back.out + back.err
        live.until(lambda: (home / "Deutsch" / "Aufsatz.docx").exists())
        live.at_rest()
        assert live.school.run("verify", "--json").json["result"] == "equal"
    finally:
        live.stop()
