-- AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101): Adam with weight decay apart from the gradient.
return require "engram.optim.adam_family"("AdamW", "adaptive moments with decoupled weight decay", 0.01, true)
