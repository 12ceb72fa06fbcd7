"""The support bundle: what somebody far away needs to understand this gateway, without patient data.

scrub.py      PURE: takes out of any text what could identify a patient
redaction.py  PURE: takes secrets out of configuration files
gather.py     asks the operator API for what goes in; a part that fails says why in its place
bundle.py     the parts become one ZIP, always the same bytes for the same parts
"""
