-- ResetOptimizer: an optimizer remembers nothing of the task before: its slots and step counts begin anew. Beside Naive with Adam it tells
-- how much of the forgetting is stale moments (Hsu et al. 2018 and others compare both).
return {
   name = "ResetOptimizer",
   doc = "the optimizer's slots and step counts begin anew with every task",
   hyper = {},
   state = {},
   task_begin = function(_, t)
      if t.task > 1 then t.optimizer:reset() end
   end,
}
