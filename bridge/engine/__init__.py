"""One cycle: observe both sides, pair what belongs together, reconcile, guard, execute.

observe   fold what each side says has changed into the state
pair      correlate records that have no other end yet
judge     reconcile the touched links and count the plan against the thresholds
execute   carry out what the guard lets through, and record each new agreement
"""
