"""What is done with runs: starting and stopping them, performing them, and reading their events."""
