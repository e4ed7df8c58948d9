--- `@buffer @selection @file:PATH[:FIRST-LAST] @symbol:NAME @diagnostics @diff @codebase` in a
--- question: what they attach, and their completion.
local code = require('assistant.chat.code')
local document = require('assistant.document')

local M = {}

M.words = {
  { word = '@buffer', menu = 'the buffer of the code window' },
  { word = '@selection', menu = 'the lines last selected there' },
  { word = '@file:', menu = 'a file of the project, also PATH:FIRST-LAST' },
  { word = '@symbol:', menu = 'a definition by name' },
  { word = '@diagnostics', menu = 'diagnostics of that buffer' },
  { word = '@diff', menu = 'what changed since the last commit' },
  { word = '@codebase', menu = 'what the index finds for the question' },
}

---@param bufnr integer
---@param kind string
---@param range assistant.Range?
---@return table
local function document_attachment(bufnr, kind, range)
  if document.attach(bufnr) then
    document.flush(bufnr)
    local id = document.identify(bufnr) --[[@as assistant.DocumentId]]
    if vim.startswith(id.uri, 'file:') then
      return { kind = kind, uri = id.uri, range = range }
    end
  end
  -- The daemon has no file to look into: the text itself goes, all of it where only the daemon would
  -- have found the borders.
  local is_whole = range == nil or kind == 'function'
  local first = is_whole and 0 or range.start.line
  local last = is_whole and -1 or range['end'].line
  local lines = vim.api.nvim_buf_get_lines(bufnr, first, last, false)
  local name = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(bufnr), ':t')
  return {
    kind = kind == 'function' and 'buffer' or kind,
    name = name ~= '' and name or 'unnamed buffer',
    text = table.concat(lines, '\n'),
  }
end

--- Returns lines of a buffer as an attachment.
---@param bufnr integer
---@param first integer 1-based
---@param last integer 1-based, inclusive
---@return table
function M.selection(bufnr, first, last)
  return document_attachment(bufnr, 'selection', {
    start = { line = first - 1, character = 0 },
    ['end'] = { line = last, character = 0 },
  })
end

--- Returns the function at a position as an attachment; the daemon finds its borders.
---@param bufnr integer
---@param line integer 1-based
---@param col integer 0-based
---@return table
function M.function_at(bufnr, line, col)
  local position = { line = line - 1, character = col }
  return document_attachment(bufnr, 'function', { start = position, ['end'] = position })
end

---@param bufnr integer
---@return table
local function diagnostics(bufnr)
  local names = { 'error', 'warning', 'info', 'hint' }
  local lines = {}
  for _, item in ipairs(vim.diagnostic.get(bufnr)) do
    local text = ('line %d: %s: %s'):format(item.lnum + 1, names[item.severity], item.message)
    table.insert(lines, (text:gsub('%s*\n%s*', ' ')))
  end
  local attachment = document_attachment(bufnr, 'diagnostics')
  attachment.text = table.concat(lines, '\n')
  return attachment
end

---@param bufnr integer
---@return table?
local function last_selection(bufnr)
  local first = vim.api.nvim_buf_get_mark(bufnr, '<')[1]
  local last = vim.api.nvim_buf_get_mark(bufnr, '>')[1]
  if first == 0 or last == 0 then
    return nil
  end
  return M.selection(bufnr, first, last)
end

---@param name string path with an optional `:FIRST-LAST`
---@param root string?
---@return table
local function file(name, root)
  local path, first, last = name:match('^(.-):(%d+)%-?(%d*)$')
  path = path or name
  local resolved = require('assistant.chat.sources').resolve(path, root)
  local attachment = { kind = 'file', name = path, uri = vim.uri_from_fname(resolved) }
  if vim.fn.bufloaded(resolved) == 1 then
    local bufnr = vim.fn.bufnr('^' .. vim.fn.fnameescape(resolved) .. '$')
    if bufnr ~= -1 and document.attach(bufnr) then
      document.flush(bufnr)
      attachment.uri = document.identify(bufnr).uri
    end
  end
  if first then
    attachment.kind = 'selection'
    local stop = tonumber(last ~= '' and last or first)
    attachment.range = {
      start = { line = tonumber(first) - 1, character = 0 },
      ['end'] = { line = stop, character = 0 },
    }
  end
  return attachment
end

--- Returns the mentions of a question in order: name and argument.
---@param text string
---@return { name: string, argument: string? }[]
function M.parse(text)
  local found = {}
  for start, name, stop in text:gmatch('()@(%a+)()') do
    local left = text:sub(start - 1, start - 1)
    if start == 1 or left:match('[%s(%[{"\'`]') then
      local argument
      if name == 'file' or name == 'symbol' then
        -- A space in a path is written '\ '.
        local rest = text:sub(stop):gsub('\\ ', '\1')
        local raw = rest:match('^:([^%s)%]}"\'`,;]+)')
        argument = raw and raw:gsub('[.?!:]+$', ''):gsub('\1', ' ') or nil
      end
      table.insert(found, { name = name, argument = argument })
    end
  end
  return found
end

--- Returns what a question attaches, and the mentions that attach nothing, each with its reason.
---@param text string
---@param root string? path of the project's root
---@return table[] attachments
---@return string[] problems
function M.resolve(text, root)
  local attachments, problems = {}, {}
  local bufnr = code.bufnr()
  local resolvers = {
    buffer = function()
      return bufnr and document_attachment(bufnr, 'buffer'), '@buffer: no file is open'
    end,
    selection = function()
      return bufnr and last_selection(bufnr), '@selection: nothing was selected'
    end,
    diagnostics = function()
      return bufnr and diagnostics(bufnr), '@diagnostics: no file is open'
    end,
    diff = function()
      return { kind = 'diff' }
    end,
    codebase = function()
      return { kind = 'codebase' }
    end,
    file = function(argument)
      return argument and file(argument, root), '@file: names no path'
    end,
    symbol = function(argument)
      return argument and { kind = 'symbol', name = argument }, '@symbol: names nothing'
    end,
  }
  for _, mention in ipairs(M.parse(text)) do
    local resolver = resolvers[mention.name]
    if resolver then
      local attachment, problem = resolver(mention.argument)
      if attachment then
        table.insert(attachments, attachment)
      else
        table.insert(problems, problem)
      end
    end
  end
  return attachments, problems
end

--- Returns how a range is written in a question, or nil where the buffer has no path.
---@param bufnr integer
---@param first integer 1-based
---@param last integer 1-based
---@param root string?
---@return string?
function M.write_range(bufnr, first, last, root)
  local path = vim.api.nvim_buf_get_name(bufnr)
  if path == '' or vim.bo[bufnr].buftype ~= '' then
    return nil
  end
  if root and vim.startswith(path, root .. '/') then
    path = path:sub(#root + 2)
  end
  return ('@file:%s:%d-%d'):format(path:gsub(' ', '\\ '), first, last)
end

---@param lead string
---@param root string?
---@return table[]
local function complete_file(lead, root)
  local typed = lead:gsub('\\ ', ' ')
  local base = require('assistant.chat.sources').resolve(typed, root)
  local strip = #base - #typed
  local items = {}
  for _, path in ipairs(vim.fn.getcompletion(base, 'file')) do
    local word = path:sub(strip + 1):gsub(' ', '\\ ')
    table.insert(items, { word = '@file:' .. word, abbr = word, dup = 1 })
  end
  return items
end

---@param lead string
---@return table[]
local function complete_symbol(lead)
  local bufnr = code.bufnr()
  if not bufnr then
    return {}
  end
  local seen, items = {}, {}
  for _, line in ipairs(vim.api.nvim_buf_get_lines(bufnr, 0, 2000, false)) do
    for name in line:gmatch('[%a_][%w_]+') do
      if #name > 3 and not seen[name] and vim.startswith(name:lower(), lead:lower()) then
        seen[name] = true
        table.insert(items, { word = '@symbol:' .. name, abbr = name })
      end
    end
  end
  table.sort(items, function(a, b)
    return a.abbr < b.abbr
  end)
  return items
end

--- Returns where the mention before the cursor starts, 0-based, or nil where there is none.
---@param before string the line up to the cursor
---@return integer?
function M.start_of(before)
  local start, word = before:match('()(@[^%s@]*)$')
  if not start then
    start, word = before:match('()(@file:.*)$')
    if not start or word:gsub('\\ ', ''):find('%s') then
      return nil
    end
  end
  local left = before:sub(start - 1, start - 1)
  if start > 1 and not left:match('[%s(%[{"\'`]') then
    return nil
  end
  return start - 1
end

--- Returns what a mention that begins like `lead` could be.
---@param lead string
---@param root string?
---@return table[]
function M.candidates(lead, root)
  if vim.startswith(lead, '@file:') then
    return complete_file(lead:sub(7), root)
  elseif vim.startswith(lead, '@symbol:') then
    return complete_symbol(lead:sub(9))
  end
  return vim.tbl_filter(function(item)
    return vim.startswith(item.word, lead)
  end, M.words)
end

return M
