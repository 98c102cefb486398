-- CLASSP's sentiment experiment (Ludwig 2024, arXiv 2405.09637): phrases of financial news, then film reviews, one small transformer.
--
-- Asked: how much of the phrases is left once the reviews are learned, and what an optimizer or method keeps in memory for that.
-- Expected: docs/results.md, "Sentiment". protocol=published is the author's script: batches of 750, the first 30 tokens, dropout 0.1, a
-- task until a loss at the end of an epoch, accuracy on the training sets with dropout on. protocol=sound holds a tenth of the training
-- texts back, ends a task by patience on their loss, and is judged on test sets in evaluation mode. data=built-in is a minute's form.
local engram = require "engram"
local optim, schedule, cl = engram.optim, engram.schedule, engram.cl
local stop = schedule.stop
local common = require "sentiment_common"
local sentiment_table = require "sentiment_table"

local settings = engram.settings{
   data = { default = "built-in", choices = { "built-in", "real" }, doc = "real: Financial PhraseBank, then IMDB" },
   protocol = { default = "published", choices = { "published", "sound" } },
   optimizer = { default = { "all" }, doc = "rows of the table, e.g. optimizer=classp,sgd" },
   seed = { default = 1, type = "integer", min = 0 },
   limit = { default = 0, type = "integer", min = 0, doc = "texts of each part of each task; 0: all" },
   max_epochs = { default = false, type = "integer", min = 1, doc = "of a task; false: 30 of built-in texts, 2000 of real ones" },
   patience = { default = false, type = "integer", min = 1,
      doc = "sound: epochs without a validation loss that is better by 0.001; false: 3 of built-in texts, 10 of real ones" },
   reviews_loss = { default = false, type = "number", min = 0,
      doc = "published: the loss of a batch at which the reviews end; false: the script's of each optimizer" },
   threshold = { default = false, type = "number", min = 0,
      doc = "of CLASSP's rule as in the paper; false: 1e-10, or 1e-5 of built-in texts; neither was searched for" },
   lambda = { default = false, type = "number", min = 0,
      doc = "of EWC (sound); false: 100, chosen on validation texts of the built-in form, or 50 by the published rules (docs/results.md)" },
   lambda_published = { default = false, type = "number", min = 0,
      doc = "of EWC (published), whose squares are of batch means; false: the script's 5000, or 20 of built-in texts" },
   samples = { default = 2000, type = "integer", min = 1, doc = "EWC (sound): texts on which the Fisher is estimated" },
   threads = { default = engram.threads(), type = "integer", min = 1 },
}
engram.threads(settings.threads)

local published, real = settings.protocol == "published", settings.data == "real"
local form = real
   and { width = 600, heads = 30, feed_forward = 2048, batch = 750, cap = 2000, patience = 10, loss = 0.005, lambda = 5000,
      threshold = 1e-10 }
   or { width = 32, heads = 4, feed_forward = 64, batch = 50, cap = 30, patience = 3, loss = 0.05, lambda = 20, threshold = 1e-5 }

-- ---- the rows of the table --------------------------------------------------------------------------------

local function classp(variant, threshold, power)
   return function(model)
      return optim.CLASSP(model, { lr = 0.025, epsilon = 1e-4, power = power, threshold = threshold, variant = variant })
   end
end
local function sgd(model) return optim.SGD(model, { lr = 0.025 }) end

-- `loss`: where the published script ends the reviews, chosen there so that all are learned about as well.
local rows = {
   { "classp", "CLASSP (published)", optimizer = classp("published", 0.99, 1), loss = 0.28 },
   { "classp-open", "CLASSP (published), threshold 0", optimizer = classp("published", 0, 1), loss = 0.28 },
   { "classp-open-2", "CLASSP (published), threshold 0, p 2", optimizer = classp("published", 0, 2), loss = 0.28 },
   { "paper", "CLASSP (paper)", optimizer = classp("paper", settings.threshold or form.threshold, 1), loss = 0.28 },
   { "paper-open", "CLASSP (paper), threshold 0", optimizer = classp("paper", 0, 1), loss = 0.28 },
   { "paper-open-2", "CLASSP (paper), threshold 0, p 2", optimizer = classp("paper", 0, 2), loss = 0.28 },
   { "sgd", "SGD", optimizer = sgd, loss = 0.32 },
   { "adam", "Adam", optimizer = function(model) return optim.Adam(model, { lr = 3e-4 }) end, loss = 0.48 },
   { "adagrad", "AdaGrad", optimizer = function(model) return optim.AdaGrad(model, { lr = 0.025 }) end, loss = 0.28 },
   { "ewc", "EWC (sound)", optimizer = sgd, loss = 0.37,
      method = function() return cl.methods.EWC{ lambda = settings.lambda or (published and 50 or 100), samples = settings.samples } end },
   { "ewc-published", "EWC (published)", optimizer = sgd, loss = 0.37,
      method = function() return cl.methods.SentimentEWC{ lambda = settings.lambda_published or form.lambda } end },
}

-- The script's loss is the whole one, with EWC's penalty.
local function whole_loss(limit, cap)
   return stop.when(function(t)
      local loss = t.loss + (t.penalty or 0)
      local saw = ("batch loss and penalty %.4g"):format(loss)
      return loss <= limit and ("%s are at most %g"):format(saw, limit), saw
   end, { max_epochs = cap })
end

local function rules_of(row)
   local cap = settings.max_epochs or form.cap
   if not published then
      return stop.patience(settings.patience or form.patience, { min_delta = 0.001, restore = true, max_epochs = cap })
   end
   return schedule.per_task{ stop.loss(form.loss, { of = "batch", max_epochs = cap }), whole_loss(settings.reviews_loss or row.loss, cap) }
end

local known, wanted, chosen = { all = true }, {}, 0
if #settings.optimizer == 0 then error("optimizer= names no row of the table: leave it out for all", 0) end
for _, row in ipairs(rows) do known[row[1]] = true end
for _, name in ipairs(settings.optimizer) do
   if not known[name] then error(("unknown optimizer '%s'%s"):format(name, require "engram.suggest".hint(name, known)), 0) end
   wanted[name] = true
end
for _, row in ipairs(rows) do chosen = chosen + ((wanted.all or wanted[row[1]]) and 1 or 0) end

-- ---- runs -------------------------------------------------------------------------------------------------

local tasks, words = common.tasks(settings.data, published, settings.limit)
local stream = cl.stream(tasks)
print(("%s protocol: %d %s, then %d %s, %d different words"):format(settings.protocol, stream[1]:items "train", stream[1].name,
   stream[2]:items "train", stream[2].name, words:size()))

-- A run that diverges is a row of the table, not the end of the experiment.
local function train(row)
   local method, optimizer = row.method and row.method() or nil, nil
   local function make(model)
      optimizer = row.optimizer(model)
      return optimizer
   end
   local ok, run = pcall(cl.train, { model = common.model(words, form, published), optimizer = make, method = method,
      stream = stream, stop = rules_of(row), batch_size = form.batch, seed = settings.seed,
      protocol = published and "published" or "test", evaluate_tasks = "seen", evaluate_batch_size = form.batch,
      name = chosen > 1 and row[1] or nil })
   if ok then return sentiment_table.row(row[1], row[2], settings.seed, run) end
   if not tostring(run):find("cl.train: diverged:", 1, true) then error(run, 0) end
   print(("%s: %s"):format(row[1], run))
   return { name = row[1], title = row[2], seed = settings.seed, diverged = tostring(run),
      state_bytes = optimizer:bytes() + (method and method:bytes() or 0) }
end

local results = {}
for _, row in ipairs(rows) do
   if wanted.all or wanted[row[1]] then results[#results + 1] = train(row) end
end

local text = sentiment_table.markdown(results)
print("\n" .. text)
if not real then print "The built-in form shows the tools: its texts are generated; docs/results.md has the real ones." end
local current = engram.run.current()
if current then
   current:write_json("table.json", { protocol = settings.protocol, words = words:size(), stream_sha256 = stream:hash(), runs = results })
   current:write("report.md", ("# CLASSP on two tasks of sentiment, %s protocol\n\n%s"):format(settings.protocol, text))
end
