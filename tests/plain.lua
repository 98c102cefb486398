-- plain.lua: the laboratory's arithmetic once more, in plain Lua numbers and without the library: a net with one hidden layer of tanh,
-- its gradients by hand, and a loop over tasks. The tests of methods compare the library's weights with what comes out here.
local plain = {}

-- ---- the net: w = { W1 rows, b1, W2 rows, b2 }, each a flat list in the library's order --------------------------------

function plain.copy(w)
   local c = {}
   for i, list in ipairs(w) do c[i] = { unpack(list) } end
   return c
end

function plain.zeros(w)
   local c = {}
   for i, list in ipairs(w) do
      c[i] = {}
      for j = 1, #list do c[i][j] = 0 end
   end
   return c
end

-- Calls f(i, j) for every weight.
function plain.each(w, f)
   for i = 1, #w do
      for j = 1, #w[i] do f(i, j) end
   end
end

local function flat(value, into)
   if type(value) ~= "table" then
      into[#into + 1] = value
   else
      for _, inner in ipairs(value) do flat(inner, into) end
   end
   return into
end

-- The weights of a model, or a list of tensors, as flat lists.
function plain.from(parameters)
   local w = {}
   for i, p in ipairs(parameters) do w[i] = flat(p:tolist(), {}) end
   return w
end

-- The outputs for one item, and the hidden layer.
function plain.forward(w, x)
   local hidden, z = {}, {}
   for j = 1, #w[2] do
      local sum = w[2][j]
      for i = 1, #x do sum = sum + w[1][(j - 1) * #x + i] * x[i] end
      local e = math.exp(2 * sum)
      hidden[j] = (e - 1) / (e + 1)
   end
   for o = 1, #w[4] do
      local sum = w[4][o]
      for j = 1, #hidden do sum = sum + w[3][(o - 1) * #hidden + j] * hidden[j] end
      z[o] = sum
   end
   return z, hidden
end

-- The gradient of <dz, outputs> for one item.
function plain.gradient(w, x, dz)
   local _, hidden = plain.forward(w, x)
   local g, back = plain.zeros(w), {}
   for o = 1, #w[4] do
      g[4][o] = dz[o]
      for j = 1, #hidden do
         g[3][(o - 1) * #hidden + j] = dz[o] * hidden[j]
         back[j] = (back[j] or 0) + dz[o] * w[3][(o - 1) * #hidden + j]
      end
   end
   for j = 1, #hidden do
      local d = back[j] * (1 - hidden[j] ^ 2)
      g[2][j] = d
      for i = 1, #x do g[1][(j - 1) * #x + i] = d * x[i] end
   end
   return g
end

-- Probabilities of the units first .. last at a temperature; 0 elsewhere.
function plain.softmax(z, first, last, temperature)
   local p, sum = {}, 0
   for o = 1, #z do p[o] = 0 end
   for o = first or 1, last or #z do
      p[o] = math.exp(z[o] / (temperature or 1))
      sum = sum + p[o]
   end
   for o = 1, #z do p[o] = p[o] / sum end
   return p
end

-- d cross entropy / d outputs of one item.
function plain.seed(z, y, first, last)
   local p = plain.softmax(z, first, last)
   p[y] = p[y] - 1
   return p
end

-- Adds scale times b to a.
function plain.add(a, b, scale)
   plain.each(a, function(i, j) a[i][j] = a[i][j] + (scale or 1) * b[i][j] end)
   return a
end

-- The mean gradient of the cross entropy of items { x, y, first =, last = }.
function plain.batch_gradient(w, items)
   local g = plain.zeros(w)
   for _, item in ipairs(items) do
      plain.add(g, plain.gradient(w, item.x, plain.seed(plain.forward(w, item.x), item.y, item.first, item.last)), 1 / #items)
   end
   return g
end

-- The items of a data set with their active units.
function plain.items(set, first, last)
   local list = {}
   for n = 1, set:size() do
      local x, y = set:batch{ n }
      list[n] = { x = flat(x:tolist(), {}), y = y:tolist()[1], first = first, last = last }
   end
   return list
end

-- ---- a training -------------------------------------------------------------------------------------------

-- train(w, tasks, how): tasks is a list of lists of items; how = { lr, batch, gradients = function(w, g, k, batch), after_step =
-- function(before, w, g), task_begin = function(w, k), task_end = function(w, k, items, batches) }. Plain gradient steps in order.
function plain.train(w, tasks, how)
   for k, items in ipairs(tasks) do
      if how.task_begin then how.task_begin(w, k, items) end
      local batches = {}
      for n, item in ipairs(items) do
         local b = math.floor((n - 1) / how.batch) + 1
         batches[b] = batches[b] or {}
         table.insert(batches[b], item)
      end
      for _, batch in ipairs(batches) do
         local g, before = plain.batch_gradient(w, batch), plain.copy(w)
         if how.gradients then g = how.gradients(w, g, k, batch) or g end
         plain.add(w, g, -how.lr)
         if how.after_step then how.after_step(before, w, g, k, batch) end
      end
      if how.task_end then how.task_end(w, k, items, batches) end
   end
   return w
end

return plain
