"""What the gateway does as an SCP: one file per service class, and `registry` as the table of them.

service      what is done on presentation contexts of some abstract syntaxes; it answers their negotiation
handler      begins one kind of DIMSE request of a service
visit        one admitted association: who called whom, and where that leads
"""
