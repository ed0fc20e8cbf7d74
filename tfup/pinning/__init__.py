"""The parts of stage 3: our rules, the files that fit, what is resolved beside a lock, what was proved."""
