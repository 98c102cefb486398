-- data/sources.lua: what can be fetched: from where, and what it must unpack to (SHA-256 of the unpacked files, so that
-- a file that was packed again is good too; of an archive as it is). `instead`: files with the same texts that do as well; no sums of
-- those are published, so their lines are counted.
local function idx(sums)
   return {
      { name = "train-images-idx3-ubyte.gz", sha256 = sums[1] }, { name = "train-labels-idx1-ubyte.gz", sha256 = sums[2] },
      { name = "t10k-images-idx3-ubyte.gz", sha256 = sums[3] }, { name = "t10k-labels-idx1-ubyte.gz", sha256 = sums[4] },
   }
end

-- A file of lines label<TAB>text with so many of each class. problem(corpus, path): what is wrong with what was read of it, or nil.
local function counted(name, counts)
   local function problem(corpus, path)
      local found = {}
      for _, label in ipairs(corpus.labels) do found[label] = (found[label] or 0) + 1 end
      for i, expected in ipairs(counts) do
         if found[i] ~= expected or found[#counts + 1] then
            return ("%s: has %d texts of class %d, expected %d"):format(path, found[i] or 0, i, expected)
         end
      end
   end
   return { name = name, problem = problem, check = function(path)
      local ok, corpus = pcall(require "engram.text.read", path)
      if not ok then return corpus end
      local wrong = problem(corpus, path)
      if wrong then return wrong, true end
   end }
end

return {
   mnist = {
      doc = "handwritten digits", items = "60,000 + 10,000", shape = "28x28", megabytes = 11,
      licence = "no licence stated; LeCun, Cortes, Burges",
      class_names = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" },
      mirrors = { "https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/" },
      files = idx{
         "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
         "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
         "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
         "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
      },
   },
   ["fashion-mnist"] = {
      doc = "garments, same form as mnist", items = "60,000 + 10,000", shape = "28x28", megabytes = 30,
      licence = "MIT; Zalando Research",
      class_names = { "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot" },
      mirrors = { "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
         "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/" },
      files = idx{
         "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
         "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
         "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
         "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
      },
   },
   imdb = {
      doc = "film reviews", items = "25,000 + 25,000", shape = "texts", megabytes = 84,
      licence = "no licence stated; Maas et al. 2011", class_names = { "neg", "pos" },
      mirrors = { "https://ai.stanford.edu/~amaas/data/sentiment/" },
      files = { { name = "aclImdb_v1.tar.gz", archive = true,
         sha256 = "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe" } },
      instead = { folder = "imdb",
         files = { counted("train.tsv.gz", { 12500, 12500 }), counted("test.tsv.gz", { 12500, 12500 }) } },
   },
   phrasebank = {
      doc = "sentences of financial news", items = "4,846", shape = "texts", megabytes = 1,
      licence = "CC BY-NC-SA 3.0; Malo et al. 2014", class_names = { "negative", "neutral", "positive" },
      mirrors = { "https://huggingface.co/datasets/takala/financial_phrasebank/resolve/main/data/" },
      files = { { name = "FinancialPhraseBank-v1.0.zip", archive = true,
         sha256 = "0e1a06c4900fdae46091d031068601e3773ba067c7cecb5b0da1dcba5ce989a6" } },
      instead = { folder = "fpb", files = { counted("train.tsv.gz", { 604, 2879, 1363 }) } },
   },
}
