--- Completes mentions while they are typed in a chat buffer.
local code = require('assistant.chat.code')
local mentions = require('assistant.chat.mentions')

local M = {}

---@type string?
local own_completeopt

---@return string?
local function root()
  local uri = code.root_uri()
  return uri and vim.uri_to_fname(uri)
end

---@return string
local function before_cursor()
  local col = vim.api.nvim_win_get_cursor(0)[2]
  return vim.api.nvim_get_current_line():sub(1, col)
end

--- Is the 'completefunc' and 'omnifunc' of a chat buffer; see |complete-functions|.
---@param findstart integer
---@param base string
---@return integer|table[]
function M.complete(findstart, base)
  if findstart == 1 then
    return mentions.start_of(before_cursor()) or -3
  end
  return mentions.candidates(base, root())
end

local function offer()
  local before = before_cursor()
  local start = mentions.start_of(before)
  if not start then
    return
  end
  local lead = before:sub(start + 1)
  local items = mentions.candidates(lead, root())
  if #items == 0 or (#items == 1 and items[1].word == lead) then
    return
  end
  vim.fn.complete(start + 1, items)
end

-- Nothing may be inserted while the person only types.
local function borrow_completeopt()
  own_completeopt = own_completeopt or vim.o.completeopt
  vim.o.completeopt = 'menuone,noinsert,noselect'
end

local function return_completeopt()
  if own_completeopt then
    vim.o.completeopt = own_completeopt
    own_completeopt = nil
  end
end

---@param chat assistant.Conversation
function M.attach(chat)
  local bufnr = chat.buffer.bufnr
  local func = "v:lua.require'assistant.chat.completion'.complete"
  vim.bo[bufnr].completefunc = func
  vim.bo[bufnr].omnifunc = func
  local function on(events, callback)
    vim.api.nvim_create_autocmd(events, {
      buffer = bufnr,
      callback = function()
        callback()
      end,
    })
  end
  on('InsertEnter', borrow_completeopt)
  on({ 'InsertLeave', 'BufLeave' }, return_completeopt)
  on('TextChangedI', offer)
  on('TextChangedP', function()
    -- A chosen item that goes on, '@file:' or a folder, is completed further.
    local before = before_cursor()
    if before:match('@file:$') or before:match('@symbol:$') or before:match('@file:.*/$') then
      offer()
    end
  end)
end

return M
