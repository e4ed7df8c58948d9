--- Keeps the daemon's copy of open buffers the same as the editor's, line by line.
---
--- Only `on_lines` is used. What changed since the last message is one range of lines, which grows
--- with each change and is read from the buffer when it is sent: once per tick, or before a request.
local daemon = require('assistant.daemon')
local methods = require('assistant.rpc.methods')

local M = {}

---@class assistant.Document
---@field bufnr integer
---@field uri string
---@field language string
---@field version integer
---@field is_open boolean whether the daemon has it on this connection
---@field lines integer number of lines that the daemon has
---@field dirty { first: integer, old_last: integer, new_last: integer }?
---@field is_scheduled boolean

---@type table<integer, assistant.Document>
local documents = {}
---@type table<integer, integer> last version of buffers that are not followed any more
local versions = {}

--- Returns lines as text: every one ends with a newline, and NUL, which Neovim holds as a newline
--- inside the line, is itself again.
---@param bufnr integer
---@param first integer
---@param last integer
---@return string
local function text_of(bufnr, first, last)
  local lines = vim.api.nvim_buf_get_lines(bufnr, first, last, false)
  if #lines == 0 then
    return ''
  end
  for index, line in ipairs(lines) do
    if line:find('\n', 1, true) then
      lines[index] = line:gsub('\n', '\0')
    end
  end
  return table.concat(lines, '\n') .. '\n'
end

---@param bufnr integer
---@return integer
local function byte_count(bufnr)
  return vim.api.nvim_buf_get_offset(bufnr, vim.api.nvim_buf_line_count(bufnr))
end

--- Returns a file's URI, escapes in capitals as most programs write them, so that they compare.
---@param path string
---@return string
local function file_uri(path)
  return (vim.uri_from_fname(path):gsub('%%%x%x', string.upper))
end

---@param bufnr integer
---@return string
local function uri_of(bufnr)
  local name = vim.api.nvim_buf_get_name(bufnr)
  if name == '' then
    return 'untitled:buffer-' .. bufnr
  end
  return file_uri(name)
end

--- Whether a buffer is one whose text the daemon may have: an ordinary local file or an unnamed
--- buffer, up to 1 MiB.
---@param bufnr integer
---@return boolean
function M.is_eligible(bufnr)
  if not vim.api.nvim_buf_is_loaded(bufnr) or vim.bo[bufnr].buftype ~= '' then
    return false
  end
  -- 'ssh://host/x' and the like belong to other plugins.
  if vim.api.nvim_buf_get_name(bufnr):match('^%a[%w+.-]+://') then
    return false
  end
  return byte_count(bufnr) <= methods.MAX_DOCUMENT_BYTES
end

---@param document assistant.Document
local function open(document)
  local bufnr = document.bufnr
  document.dirty = nil
  document.lines = vim.api.nvim_buf_line_count(bufnr)
  document.language = vim.bo[bufnr].filetype
  document.is_open = daemon.notify(methods.DID_OPEN, {
    textDocument = {
      uri = document.uri,
      languageId = document.language,
      version = document.version,
      text = text_of(bufnr, 0, -1),
    },
  })
end

---@param document assistant.Document
local function close(document)
  if document.is_open then
    daemon.notify(methods.DID_CLOSE, { textDocument = { uri = document.uri } })
    document.is_open = false
  end
end

---@param bufnr integer
local function forget(bufnr)
  local document = documents[bufnr]
  if document then
    documents[bufnr] = nil
    versions[bufnr] = document.version
    close(document)
  end
end

--- Sends what changed since the last message, so that a request sees the newest text.
---@param bufnr integer
function M.flush(bufnr)
  local document = documents[bufnr]
  local dirty = document and document.dirty
  if not document or not dirty then
    return
  end
  if not M.is_eligible(bufnr) then
    forget(bufnr)
    return
  end
  document.dirty = nil
  document.version = document.version + 1
  if not document.is_open then
    return
  end
  -- After a reload in the middle of other changes the sum may not fit: then it is the whole text.
  local count = vim.api.nvim_buf_line_count(bufnr)
  local is_sound = dirty.old_last <= document.lines
    and dirty.new_last <= count
    and document.lines - dirty.old_last == count - dirty.new_last
  if not is_sound then
    dirty = { first = 0, old_last = document.lines, new_last = count }
  end
  document.lines = count
  daemon.notify(methods.DID_CHANGE, {
    textDocument = { uri = document.uri, version = document.version },
    contentChanges = {
      {
        range = {
          start = { line = dirty.first, character = 0 },
          ['end'] = { line = dirty.old_last, character = 0 },
        },
        text = text_of(bufnr, dirty.first, dirty.new_last),
      },
    },
  })
end

---@param document assistant.Document
local function schedule_flush(document)
  if not document.is_scheduled then
    document.is_scheduled = true
    vim.schedule(function()
      document.is_scheduled = false
      if documents[document.bufnr] == document then
        M.flush(document.bufnr)
      end
    end)
  end
end

--- Adds one change to what is not sent yet; both ranges are widened to their hull.
---@param dirty { first: integer, old_last: integer, new_last: integer }?
---@param first integer
---@param old_last integer
---@param new_last integer
---@return { first: integer, old_last: integer, new_last: integer }
function M.merge(dirty, first, old_last, new_last)
  if not dirty then
    return { first = first, old_last = old_last, new_last = new_last }
  end
  local last = math.max(dirty.new_last, old_last)
  return {
    first = math.min(dirty.first, first),
    old_last = dirty.old_last + (last - dirty.new_last),
    new_last = last + (new_last - old_last),
  }
end

---@param document assistant.Document
local function listen(document)
  return vim.api.nvim_buf_attach(document.bufnr, false, {
    on_lines = function(_, bufnr, _, first, old_last, new_last)
      if documents[bufnr] ~= document then
        return true
      end
      document.dirty = M.merge(document.dirty, first, old_last, new_last)
      schedule_flush(document)
    end,
    on_reload = function(_, bufnr)
      if documents[bufnr] == document then
        -- Ends beyond any line count: flush takes the whole text then.
        document.dirty = { first = 0, old_last = math.huge, new_last = math.huge }
        schedule_flush(document)
      end
    end,
    on_detach = function(_, bufnr)
      if documents[bufnr] == document then
        forget(bufnr)
        -- ':edit' detaches too, and the buffer is there again a moment later.
        vim.schedule(function()
          if vim.api.nvim_buf_is_valid(bufnr) then
            M.attach(bufnr)
          end
        end)
      end
    end,
  })
end

--- Makes the daemon follow a buffer. Returns false for one that it may not have.
---@param bufnr integer
---@return boolean
function M.attach(bufnr)
  bufnr = bufnr == 0 and vim.api.nvim_get_current_buf() or bufnr
  if not M.is_eligible(bufnr) then
    forget(bufnr)
    return false
  end
  local known = documents[bufnr]
  if known then
    if not known.is_open and daemon.state().state == 'ready' then
      open(known)
    end
    return true
  end
  local document = {
    bufnr = bufnr,
    uri = uri_of(bufnr),
    language = '',
    -- Goes on where an earlier attachment ended: a version never means two texts.
    version = (versions[bufnr] or 0) + 1,
    is_open = false,
    lines = 0,
    is_scheduled = false,
  }
  if not listen(document) then
    return false
  end
  documents[bufnr] = document
  open(document)
  return true
end

--- Returns how the daemon knows a buffer now, or nil where it does not.
---@param bufnr integer
---@return assistant.DocumentId?
function M.identify(bufnr)
  local document = documents[bufnr == 0 and vim.api.nvim_get_current_buf() or bufnr]
  return document and { uri = document.uri, version = document.version } or nil
end

--- Sends a buffer's whole text again, after the daemon said that it has another version.
---@param bufnr integer
function M.reopen(bufnr)
  local document = documents[bufnr]
  if document then
    close(document)
    document.version = document.version + 1
    open(document)
  end
end

--- Returns the root of a buffer's project: the nearest ancestor with `.git` or `.assistant.toml`,
--- else the current folder where it contains the buffer and is not the home directory, else nil. A
--- buffer that is no file here (`health://`), or none, stands for the current folder.
---@param bufnr integer?
---@return string?
function M.root_uri(bufnr)
  local name = bufnr and vim.api.nvim_buf_get_name(bufnr) or ''
  local cwd = vim.fn.getcwd()
  local is_file = name ~= '' and not name:find('^%a[%w+.-]*://')
  local start = is_file and vim.fn.fnamemodify(name, ':p:h') or cwd
  local folder = start
  while true do
    for _, marker in ipairs({ '/.git', '/.assistant.toml' }) do
      if require('assistant.compat').uv.fs_stat((folder == '/' and '' or folder) .. marker) then
        return file_uri(folder)
      end
    end
    local parent = vim.fn.fnamemodify(folder, ':h')
    if parent == folder then
      break
    end
    folder = parent
  end
  -- Nobody means all of the home directory.
  local is_project = cwd ~= '/' and cwd ~= require('assistant.compat').uv.os_homedir()
  if is_project and (start == cwd or vim.startswith(start, cwd .. '/')) then
    return file_uri(cwd)
  end
  return nil
end

local function rename(bufnr)
  local document = documents[bufnr]
  if document and document.uri ~= uri_of(bufnr) then
    close(document)
    document.uri = uri_of(bufnr)
    document.version = document.version + 1
    open(document)
  end
end

local group = vim.api.nvim_create_augroup('assistant.document', {})

vim.api.nvim_create_autocmd('BufFilePost', {
  group = group,
  callback = function(args)
    rename(args.buf)
  end,
})

vim.api.nvim_create_autocmd('FileType', {
  group = group,
  callback = function(args)
    local document = documents[args.buf]
    if document and document.is_open and document.language ~= vim.bo[args.buf].filetype then
      M.reopen(args.buf)
    end
  end,
})

vim.api.nvim_create_autocmd('BufWritePost', {
  group = group,
  callback = function(args)
    local document = documents[args.buf]
    if document and document.is_open then
      M.flush(args.buf)
      daemon.notify(methods.DID_SAVE, { textDocument = { uri = document.uri } })
    end
  end,
})

daemon.on_lost(function()
  for _, document in pairs(documents) do
    document.is_open = false
  end
end)

daemon.on_ready(function()
  for bufnr, document in pairs(documents) do
    if M.is_eligible(bufnr) then
      open(document)
    else
      forget(bufnr)
    end
  end
end)

return M
