"""How does a network become a page that can be clicked? A local server over one `Session`.

`app` has the routes, `schemas` what travels, `guard` who may ask; `pictures`, `layers`, `results`, `jobs`,
`maps`, `training` answer one kind of question each. The page itself is in `web/` and is built into `static/`.
"""
