-- Naive: no method; the optimizer alone meets one task after the other. The floor of every table.
return { name = "Naive", doc = "the optimizer alone, one task after the other", hyper = {}, state = {} }
