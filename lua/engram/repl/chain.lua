-- repl/chain.lua: what a chain of names, indices and calls stands for ("model[1].weight", "engram.ones(3)", "_1"), found without
-- running it. Of a call is known what the reference says that it gives, for constructors, methods of tensors and of strings; then
-- something with the same members stands for the result.
local lexer = require "engram.repl.lexer"
local members = require "engram.repl.members"

local chain = {}

-- The tokens of a text without its comments: { kind =, word = }.
function chain.tokens(text)
   local list = {}
   for kind, from, last in lexer.tokens(text) do
      if kind ~= "comment" then list[#list + 1] = { kind = kind, word = text:sub(from, last or #text) } end
   end
   return list
end

function chain.is_symbol(token, word) return token ~= nil and token.kind == "symbol" and token.word == word end

-- ---- what a call gives ----------------------------------------------------------------------------------------

-- The methods of tensors that give no tensor, or not always.
local OTHERS = {}
local list = "all allclose any backward bytes dim equal index_assign is_contiguous item numel quantile release retain_grad size tolist"
for name in list:gmatch "%S+" do OTHERS[name] = true end

local function has_value(t, value)
   for name, member in pairs(t) do if rawequal(member, value) then return name end end
end

-- What stands for the result of calling f; nil where it is not known.
local function result_of(f, argument)
   local engram = require "engram"
   if type(f) == "table" then return members.is_a(f, engram.nn.Module) and rawget(f, "__index") ~= nil and f or nil end
   if has_value(require "engram.tensor.construct", f) then return members.a_tensor end
   local method = has_value(require "engram.tensor".methods, f)
   if method then return not OTHERS[method] and members.a_tensor or nil end
   local of_string = has_value(string, f)
   if of_string then return ("upper lower rep sub format gsub reverse char"):find(of_string, 1, true) and "" or nil end
   for _, name in ipairs(engram.optim.list()) do
      if rawequal(engram.optim[name], f) then return require "engram.optim.optimizer".Optimizer end
   end
   if f == require and argument then return package.loaded[argument] end
end

-- ---- following ------------------------------------------------------------------------------------------------

local resolve

-- The number of the token that opens the bracket which token i closes.
local function opening(tokens, i)
   local depth = 0
   for j = i, 1, -1 do
      depth = depth - (tokens[j].kind == "symbol" and lexer.brackets[tokens[j].word] or 0)
      if depth == 0 then return j end
   end
end

-- Whether what ends with this token can be called or indexed.
local function is_subject(token)
   if not token then return false end
   return token.kind == "name" or token.kind == "string" or token.kind == "symbol" and token.word:find "^[])}]" ~= nil
end

local function literal(token) return token.kind == "number" and tonumber(token.word) or token.word:match "^[\"']([^\\]*)[\"']$" end

local function resolve_name(session, tokens, i)
   local name, before = tokens[i].word, tokens[i - 1]
   if not (chain.is_symbol(before, ".") or chain.is_symbol(before, ":")) then
      local found, value = session:lookup(name)
      if not found then found, value = members.get(_G, name) end
      return found, value, i
   end
   local found, owner, first = resolve(session, tokens, i - 2)
   if not found then return false end
   local value
   found, value = members.get(owner, name)
   return found, value, first
end

local function resolve_index(session, tokens, open, i)
   local key = i - open == 2 and literal(tokens[open + 1])
   local found, owner, first = resolve(session, tokens, open - 1)
   if not (key and found) then return false end
   local value
   found, value = members.get(owner, key)
   return found, value, first
end

local function resolve_call(session, tokens, open, i)
   local found, f, first = resolve(session, tokens, open - 1)
   if not found then return false end
   local argument = tokens[i].kind == "string" and i or i - open == 2 and open + 1
   local value = result_of(f, argument and literal(tokens[argument]))
   return value ~= nil, value, first
end

-- What is between brackets: one chain or string.
local function resolve_group(session, tokens, open, i)
   if i - open == 2 and tokens[i - 1].kind == "string" then return true, "", open end
   local found, value, first = resolve(session, tokens, i - 1)
   return found and first == open + 1, value, open
end

-- resolve(session, tokens, i): what the chain that ends with token i stands for: true, the value and the number of its first token; or
-- false.
function resolve(session, tokens, i)
   local token = tokens[i]
   if not token then return false end
   if token.kind == "name" then return resolve_name(session, tokens, i) end
   local open = token.kind == "string" and i or token.kind == "symbol" and token.word:find "^[])}]" and opening(tokens, i)
   local subject = open and is_subject(tokens[open - 1])
   if subject and token.word == "]" then return resolve_index(session, tokens, open, i) end
   if subject then return resolve_call(session, tokens, open, i) end
   if open and token.word == ")" then return resolve_group(session, tokens, open, i) end
   return false
end
chain.resolve = resolve

-- Follows "nn.Linear", "x:sum" or "model[1]" from the session's names: true and the value; or false.
function chain.follow(session, path)
   local tokens = chain.tokens(path)
   local found, value, first = resolve(session, tokens, #tokens)
   if found and first == 1 then return true, value end
   return false
end

return chain
