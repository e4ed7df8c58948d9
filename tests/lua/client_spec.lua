local client_module = require('assistant.rpc.client')
local log = require('assistant.log')

local sent, notes, logged

local function new()
  sent, notes, logged = {}, {}, {}
  log.set_level('debug')
  log.set_handler(function(line)
    table.insert(logged, line)
  end)
  return client_module.new(function(line)
    table.insert(sent, vim.json.decode(line))
    return true
  end, function(method, params)
    table.insert(notes, { method, params })
  end)
end

local function request(client, options)
  local answers = {}
  local id = client:next_id()
  client:request(id, 'm', vim.empty_dict(), function(err, result)
    table.insert(answers, { err, result })
  end, options)
  return id, answers
end

local function receive(client, message)
  client:receive({ vim.json.encode(message) })
end

it('answers the request with the same id', function()
  local client = new()
  local first, first_answers = request(client)
  local second, second_answers = request(client)
  receive(client, { id = second, result = { x = 1 } })
  eq({}, first_answers)
  eq({ { nil, { x = 1 } } }, second_answers)
  receive(client, { id = first, error = { code = 1001, message = 'down' } })
  eq(1001, first_answers[1][1].code)
  ok(not client:has_pending())
end)

it('answers once only', function()
  local client = new()
  local id, answers = request(client)
  receive(client, { id = id, result = 1 })
  receive(client, { id = id, result = 2 })
  eq(1, #answers)
end)

it('sends params that are an object even when empty', function()
  local raw
  local client = client_module.new(function(line)
    raw = line
    return true
  end, function() end)
  client:request(client:next_id(), 'm', vim.empty_dict(), function() end)
  ok(raw:find('"params":{}', 1, true), raw)
end)

it('hands progress to its request, and late progress to nobody', function()
  local client = new()
  local values = {}
  local id = request(client, {
    token_key = 'workDoneToken',
    on_progress = function(value)
      table.insert(values, value.text)
    end,
  })
  local token = sent[1].params.workDoneToken
  ok(token)
  local function progress(text)
    receive(client, { method = '$/progress', params = { token = token, value = { text = text } } })
  end
  progress('a')
  progress('ab')
  receive(client, { id = id, result = 1 })
  progress('abc')
  eq({ 'a', 'ab' }, values)
end)

it('answers a cancelled request at once and tells the daemon', function()
  local client = new()
  local id, answers = request(client)
  client:cancel(id)
  eq(-32800, answers[1][1].code)
  eq({ '$/cancelRequest', { id = id } }, { sent[2].method, sent[2].params })
  receive(client, { id = id, error = { code = -32800, message = 'cancelled' } })
  client:cancel(id)
  eq(1, #answers)
  eq(2, #sent)
end)

it('gives up after its time-out', function()
  local client = new()
  local _, answers = request(client, { timeout_ms = 1 })
  ok(vim.wait(2000, function()
    return #answers == 1
  end))
  ok(answers[1][1].message:find('no answer'))
  eq('$/cancelRequest', sent[2].method)
end)

it('fails everything that waits when the connection ends', function()
  local client = new()
  local _, first = request(client)
  local _, second = request(client)
  client:fail_all({ code = 1, message = 'gone' })
  eq('gone', first[1][1].message)
  eq('gone', second[1][1].message)
end)

it('logs what is not JSON-RPC and goes on', function()
  local client = new()
  local id, answers = request(client)
  client:receive({
    'not json',
    '[1',
    '42',
    '',
    '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"bad"}}',
    '{"id":999,"result":1}',
    ('{"id":%d,"result":7}'):format(id),
  })
  eq(7, answers[1][2])
  ok(#logged >= 4)
end)

it('keeps a broken callback from the others', function()
  local client = new()
  local id = client:next_id()
  client:request(id, 'm', vim.empty_dict(), function()
    error('mine')
  end)
  local other, answers = request(client)
  client:receive({
    ('{"id":%d,"result":1}'):format(id),
    ('{"id":%d,"result":2}'):format(other),
  })
  eq(2, answers[1][2])
  ok(logged[1]:find('mine'))
end)

it('refuses a line over the limit, for that request alone', function()
  local client = new()
  local answers = {}
  client:request(client:next_id(), 'm', { text = ('x'):rep(8 * 1024 * 1024) }, function(err)
    table.insert(answers, err.message)
  end)
  eq({}, sent)
  vim.wait(1000, function()
    return #answers > 0
  end)
  ok(answers[1]:find('8 MiB'))
end)

it('hands notifications on', function()
  local client = new()
  receive(client, { method = 'window/showMessage', params = { type = 1, message = 'x' } })
  eq({ { 'window/showMessage', { type = 1, message = 'x' } } }, notes)
end)
