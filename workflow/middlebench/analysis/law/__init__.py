"""A law of a chain's throughput: fitted, chosen, judged, and used to predict. From the tidy table to values.

The law: ``terms`` what it can be made of · ``cells`` what it is fitted to · ``fitting`` one law · ``choice`` that which
predicts best · ``prediction`` cells that were not measured · ``knee`` how long a chain keeps its rate · ``resources``
which term binds, held against the counters · ``cores`` the paper's explanation, judged · ``derivation`` all of these
together · ``results`` the file ``law.json`` · ``views`` and ``figures`` what readers see of it.
"""
