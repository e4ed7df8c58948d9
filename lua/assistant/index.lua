--- `:AIIndex` with its progress and `:AISearch` into the quickfix list.
local daemon = require('assistant.daemon')
local document = require('assistant.document')
local event = require('assistant.event')
local message = require('assistant.message')
local methods = require('assistant.rpc.methods')

local M = {}

local SEARCH_LIMIT = 30

local is_running = false

--- Returns the root of the project that the person is in, or says that there is none.
---@return string? uri
local function root_uri()
  local bufnr = vim.api.nvim_get_current_buf()
  if vim.bo[bufnr].buftype ~= '' then
    bufnr = require('assistant.chat.code').bufnr() or bufnr
  end
  local uri = document.root_uri(bufnr)
  if not uri then
    message.warn("there is no project here. An empty '.assistant.toml' at its root makes one.")
  end
  return uri
end

---@param uri string
---@param value table
local function on_progress(uri, value)
  if value.kind == 'end' then
    return
  end
  local parts = { 'indexing ' .. vim.fn.fnamemodify(vim.uri_to_fname(uri), ':t') }
  if value.message then
    table.insert(parts, value.message)
  end
  if value.percentage then
    table.insert(parts, ('%d%%'):format(value.percentage))
  end
  message.progress(table.concat(parts, ' · '))
  event.emit('AssistantIndexProgress', {
    root = vim.uri_to_fname(uri),
    kind = value.kind,
    message = value.message,
    percentage = value.percentage,
  })
end

---@param result table
---@return string
local function summary(result)
  local skipped = 0
  for _, count in pairs(result.skipped or {}) do
    skipped = skipped + count
  end
  local text = 'indexed %d files, %d chunks: %d embedded, %d reused, %d removed%s, in %.1f s.'
  return text:format(
    result.files or 0,
    result.chunks or 0,
    result.embedded or 0,
    result.reused or 0,
    result.removed or 0,
    skipped > 0 and (', %d skipped'):format(skipped) or '',
    result.seconds or 0
  )
end

--- Updates the index of the project; with `force` builds it from nothing.
---@param force boolean
function M.run(force)
  if is_running then
    message.info('the index is being updated already.')
    return
  end
  local uri = root_uri()
  if not uri then
    return
  end
  is_running = true
  message.progress('indexing ' .. vim.fn.fnamemodify(vim.uri_to_fname(uri), ':t'))
  daemon.request(methods.INDEX, { rootUri = uri, force = force }, function(err, result)
    is_running = false
    if err then
      message.from_error(err)
    else
      message.info(summary(result))
    end
    event.emit(
      'AssistantIndexDone',
      vim.tbl_extend('force', result or {}, {
        ok = err == nil,
        root = vim.uri_to_fname(uri),
        error = err and err.message or nil,
      })
    )
  end, {
    token_key = 'workDoneToken',
    on_progress = function(value)
      on_progress(uri, value)
    end,
  })
end

--- Returns a hit as a quickfix item.
---@param hit table
---@param root string
---@return table
function M.to_item(hit, root)
  local first = hit.text:match('[^\n]*%S[^\n]*') or ''
  local symbol = hit.symbol and (hit.kind .. ' ' .. hit.symbol .. ': ') or ''
  local path = hit.path:sub(1, 1) == '/' and hit.path or root .. '/' .. hit.path
  return {
    filename = path,
    lnum = hit.startLine,
    end_lnum = hit.endLine,
    text = symbol .. vim.trim(first),
  }
end

--- Searches the project into the quickfix list.
---@param query string
function M.search(query)
  local uri = root_uri()
  if not uri then
    return
  end
  local root = vim.uri_to_fname(uri)
  local params = { rootUri = uri, query = query, limit = SEARCH_LIMIT }
  daemon.request(methods.SEARCH, params, function(err, result)
    if err then
      message.from_error(err)
      return
    end
    local items = vim.tbl_map(function(hit)
      return M.to_item(hit, root)
    end, result.hits)
    if #items == 0 then
      message.info(('nothing found for "%s".'):format(query))
      return
    end
    vim.fn.setqflist({}, ' ', {
      title = ('AISearch %s%s'):format(query, result.vectors and '' or ' (lexical only)'),
      items = items,
    })
    local before = vim.api.nvim_get_current_win()
    if vim.fn.mode() == 'n' then
      vim.cmd('botright copen')
      vim.api.nvim_set_current_win(before)
    end
    local how = result.vectors and '' or ', lexical only'
    message.info(('%d hits%s; :cnext goes through them.'):format(#items, how))
  end)
end

return M
