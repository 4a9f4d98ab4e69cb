"""Wire models: the shapes of requests and answers, and nothing else."""
