"""How a run works: plan, measure, decide, commit; on Ray or in this process."""
