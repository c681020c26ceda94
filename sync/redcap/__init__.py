"""Read REDCap projects over their API.

``client`` asks (the one place that knows PyCap), ``transport`` carries, ``replies`` tells data from trouble, ``wire``
turns texts into types, ``pull`` puts a snapshot together, ``links`` builds the addresses of forms.
"""
