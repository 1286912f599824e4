"""How does a network become a page that can be clicked? A local server over one `Session`.

`serve` brings it up, `app` and `routes` say which question has which address, `schemas` what travels, `guard`
who may ask. `results` and `jobs` compute, `payloads` says what the page gets of each kind of result; `pictures`,
`edits`, `maps`, `nearby`, `confusion`, `training`, `judging`, `export` answer one kind of question each. The page
itself is in `web/` and is built into `static/`.
"""
