--- `:AIContext`: what would be sent for a completion at the cursor, word for word.
local daemon = require('assistant.daemon')
local document = require('assistant.document')
local message = require('assistant.message')
local methods = require('assistant.rpc.methods')

local M = {}

---@param result table
---@return string[]
function M.lines(result)
  local tokens, spent = result.tokens or {}, result.milliseconds or {}
  local lines = {
    ('Model    %s on %s'):format(result.model or 'none', result.engine or 'no engine'),
    ('Tokens   %d of %d'):format(tokens.prompt or 0, tokens.limit or 0),
    ('Time     %.1f ms, of it %.1f ms to find snippets'):format(
      math.max(spent.total or 0, 0),
      math.max(spent.retrieve or 0, 0)
    ),
    ('Prefix   %d bytes, suffix %d bytes, %d snippets'):format(
      #(result.prefix or ''),
      #(result.suffix or ''),
      #(result.snippets or {})
    ),
  }
  for _, snippet in ipairs(result.snippets or {}) do
    local place = require('assistant.chat.sources').format(snippet)
    table.insert(lines, ('         %s (%s, %.2f)'):format(place, snippet.source, snippet.score))
  end
  vim.list_extend(lines, { '', '--- prompt ---' })
  vim.list_extend(lines, vim.split(result.prompt or '', '\n', { plain = true }))
  table.insert(lines, '--- end of prompt ---')
  return lines
end

--- Asks the daemon and shows the answer in a scratch buffer.
function M.show()
  local bufnr = vim.api.nvim_get_current_buf()
  if not document.attach(bufnr) then
    message.info('nothing of this buffer is ever sent: it is no ordinary file of up to 1 MiB.')
    return
  end
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  document.flush(bufnr)
  daemon.request(methods.CONTEXT, {
    textDocument = document.identify(bufnr),
    position = { line = row - 1, character = col },
  }, function(err, result)
    if err then
      message.from_error(err)
    else
      require('assistant.screen').show('context', M.lines(result))
    end
  end)
end

return M
