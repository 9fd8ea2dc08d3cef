"""GenNAS itself: signals and tasks, input batches, profiles, and the trainings that regress onto them."""
