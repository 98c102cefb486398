-- data/idx.lua: data sets in the IDX files of MNIST: those that can be fetched, any folder of the four, any pair.
local core = require "engram.core"
local tensor = require "engram.tensor"
local Dataset = require "engram.data.dataset"
local folders = require "engram.data.folders"
local C, raise = core.C, core.raise

local idx = {}

-- A data set of two IDX files: images (items, height, width) and labels from 0, of which 1 is added. Bytes are handed
-- out as 0 .. 1. Options: name, classes, class_names.
function idx.pair(images_path, labels_path, options)
   options = core.options("data.idx", options, { "name", "classes", "class_names" })
   core.path("data.idx: images", images_path)
   core.path("data.idx: labels", labels_path)
   local images, labels = tensor.wrap(C.eg_idx_read(images_path)), tensor.wrap(C.eg_idx_read(labels_path))
   if labels:dim() ~= 1 or labels.dtype == "float32" or labels.dtype == "float64" then
      raise("%s: holds %s %s, expected one whole number an item", labels_path, tensor.shape_text(labels), labels.dtype)
   end
   if images:dim() == 3 then
      local shape = images.shape
      images = images:view(shape[1], 1, shape[2], shape[3])
   end
   return Dataset.new{
      name = options.name or images_path:match "([^/]*)$", images = images, labels = labels:long():add(1),
      scale = images.dtype == "uint8" and 1 / 255 or 1, classes = options.classes, class_names = options.class_names,
   }
end

local function load_parts(name, find, class_names)
   local set = { name = name }
   for _, part in ipairs{ "train", "test" } do
      local prefix = part == "train" and "train" or "t10k"
      set[part] = idx.pair(find(prefix .. "-images-idx3-ubyte.gz"), find(prefix .. "-labels-idx1-ubyte.gz"),
         { name = name .. "/" .. part, class_names = class_names })
   end
   return set
end

-- The four files of MNIST's names, packed or not, in a folder.
function idx.folder(folder)
   return load_parts(folder:gsub("/+$", ""):match "([^/]*)$", function(file)
      local path = folder .. "/" .. file
      return C.eg_file_kind(path) == 1 and path or (path:gsub("%.gz$", ""))
   end)
end

-- A data set of sources.lua.
function idx.fetched(name, source)
   return load_parts(name, function(file)
      return folders.find(name .. "/" .. file) or folders.missing(name, name .. "/" .. file)
   end, source.class_names)
end

return idx
