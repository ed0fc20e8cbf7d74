"""The parts of stage 2: what is offered, what keeps it from a machine, and what is said about the choice."""
