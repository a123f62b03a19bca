"""Whether ten million transactions are as quick as one million: the console's own questions, pages, files and pushes, at both sizes in one run."""
