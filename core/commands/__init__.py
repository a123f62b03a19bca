"""What scripts call `billers` for: each command's work, and how it tells the end of it. `core.cli` reads the words of the line, and nothing else.

endings   what an exit code means
telling   an answer as JSON, for programs
acting    in whose name a command acts: a person's, by their API token
paying    look up and pay
taking    exports and reports, as files
"""
