"""Work in the background beside payments: the program that carries jobs out. What there is to do is a table, core.services.job_table."""
