-- cl/methods/penalty.lua: what the methods share whose penalty may be given with lambda or lambda / 2 before its sum.
local penalty = {}

-- lambda(self): that of lambda / 2 sum importance (w - anchor)^2, the unit that all conventions share.
function penalty.lambda(self) return self.hyper.half and self.hyper.lambda or 2 * self.hyper.lambda end

return penalty
