"""A law of a chain's throughput: fitted, chosen, judged, and used to predict. From the tidy table to values.

``terms`` what a law can be made of · ``cells`` what it is fitted to · ``fitting`` one law · ``choice`` the law that
predicts best · ``knee`` how long a chain keeps its rate · ``prediction`` cells that were not measured · ``resources``
which term binds, held against the counters · ``results`` the file ``law.json`` · ``views`` and ``figures`` what readers
see of it.
"""
