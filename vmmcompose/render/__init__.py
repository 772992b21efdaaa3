"""Values to text: plans, problems, events, tables. Returns strings, prints nothing."""
