-- Resident memory of a long run: flat from step 1,000 to step 10,000, for an MLP and for the paper's CNN. Expected: under 2 % growth.
local engram = require "engram"

local settings = engram.settings{
   steps = { default = 10000, min = 2000, doc = "steps of each case" },
   cases = { default = { "mlp100_b10_classp", "cnn_b32_classp" }, doc = "names of bench cases" },
   threads = { default = 2, min = 1 },
}
engram.threads(settings.threads)
engram.seed(1)

local function case_named(name)
   for _, case in ipairs(require "engram.bench.cases") do
      if case.name == name then return case end
   end
   error("no case named '" .. name .. "'", 0)
end

print "| case | step 1,000 | last step | growth | live tensors then and now |"
print "|---|---|---|---|---|"
local worst = 0
for _, name in ipairs(settings.cases) do
   local step = case_named(name).make()
   local before
   for i = 1, settings.steps do
      step()
      if i == 1000 then before = engram.memory() end
   end
   local after = engram.memory()
   local growth = (after.resident - before.resident) / before.resident * 100
   worst = math.max(worst, growth)
   print(("| %s | %.1f MB | %.1f MB | %.2f %% | %d, %d |"):format(name, before.resident / 1e6, after.resident / 1e6, growth,
      before.tensors, after.tensors))
end
if worst >= 2 then error(("resident memory grew by %.2f %%, expected under 2 %%"):format(worst), 0) end
