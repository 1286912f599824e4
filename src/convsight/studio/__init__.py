"""How does a network become an interactive page? A local server answers from one `Studio` session.

`serve` starts the server, `app` and `routes` define the addresses, `schemas` the messages, and `guard` who
may ask. `results` and `jobs` compute; `payloads` turns each kind of result into what the page draws.
`pictures`, `edits`, `layer_sheets`, `nearby`, `confusion`, `training`, `judging` and `export` each answer one
kind of question. The page itself is in `web/` and is built into `static/`.
"""
