local log = require('assistant.log')
local message = require('assistant.message')

log.set_handler(function() end)

--- Says something and returns what `:messages` has of it and what the screen shows.
local function said(fn)
  vim.cmd('messages clear')
  fn()
  vim.wait(1000, function()
    return vim.fn.execute('messages') ~= ''
  end)
  local cells = {}
  for column = 1, vim.o.columns do
    cells[column] = vim.fn.screenstring(vim.o.lines, column)
  end
  return vim.trim(vim.fn.execute('messages')), vim.trim(table.concat(cells))
end

it('says an error in one line, with what to do', function()
  local history = said(function()
    message.from_error({ code = 1001, message = "it's down.", data = { hint = 'Start it.' } })
  end)
  eq("assistant: it's down. Start it.", history)
end)

it('keeps the hint of a message that is too long, and asks for no ENTER', function()
  local text = ('long '):rep(40) .. '\n more'
  local history, screen = said(function()
    message.from_error({ code = 1001, message = text, data = { hint = 'Start it.' } })
  end)
  eq(history, screen)
  ok(vim.fn.strdisplaywidth(screen) <= vim.v.echospace, screen)
  ok(vim.endswith(screen, '… Start it.'), screen)
  eq('n', vim.api.nvim_get_mode().mode)
end)

it('never shows that something was cancelled or replaced', function()
  local noted = {}
  local notify = vim.notify
  vim.notify = function(text)
    table.insert(noted, text)
  end
  message.from_error({ code = -32800, message = 'cancelled' })
  message.from_error({ code = -32802, message = 'superseded' })
  message.info('the last')
  vim.wait(1000, function()
    return #noted > 0
  end)
  vim.notify = notify
  eq({ 'assistant: the last' }, noted)
end)

it('says what comes again with every key only once', function()
  local noted = {}
  local notify = vim.notify
  vim.notify = function(text)
    table.insert(noted, text)
  end
  for _ = 1, 3 do
    message.from_error_once({ code = 1, message = 'again' })
  end
  message.forget()
  message.from_error_once({ code = 1, message = 'again' })
  vim.wait(1000, function()
    return #noted == 2
  end)
  vim.notify = notify
  eq({ 'assistant: again', 'assistant: again' }, noted)
end)
