-- Adam (Kingma and Ba 2015, arXiv 1412.6980), with bias correction; weight decay is coupled (see AdamW for the other).
return require "engram.optim.adam_family"("Adam", "adaptive moments", 0, false)
