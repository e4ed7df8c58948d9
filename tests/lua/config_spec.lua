local config = require('assistant.config')

local warnings = {}
vim.notify = function(text)
  table.insert(warnings, text)
end

local function setup(options, global)
  warnings = {}
  vim.o.columns = 400
  vim.g.assistant = global
  config.setup(options)
  vim.wait(10, function()
    return #warnings > 0
  end)
  return config.get()
end

it('has a description, a type and a valid default for every option', function()
  for _, entry in ipairs(config.schema) do
    ok(entry.description:match('%.$'), entry.key)
    if entry.default ~= nil then
      local section, name = entry.key:match('^(.-)%.(.+)$')
      local given = section and { [section] = { [name] = entry.default } }
        or { [entry.key] = entry.default }
      setup(given)
      eq({ entry.key, {} }, { entry.key, warnings })
    end
  end
end)

it('works without setup', function()
  local options = setup(nil)
  eq('auto', options.completion.debounce_ms)
  eq('<Tab>', options.keymaps.accept)
  eq({}, options.ollama)
  eq({}, warnings)
end)

it('takes setup over the global variable and both over the defaults', function()
  local options = setup(
    { completion = { max_lines = 3 } },
    { completion = { max_lines = 5, debounce_ms = 40 }, engine = 'ollama' }
  )
  eq(3, options.completion.max_lines)
  eq(40, options.completion.debounce_ms)
  eq('ollama', options.engine)
end)

it('names a mistake in one warning and uses the default', function()
  local cases = {
    { { completion = { max_lines = 'ten' } }, 'completion.max_lines' },
    { { completion = { max_lines = 0 } }, 'completion.max_lines' },
    { { completion = { max_linse = 5 } }, 'completion.max_linse' },
    { { compeltion = { max_lines = 5 } }, 'compeltion' },
    { { completion = true }, 'completion' },
    { { completion = { filetypes = { lua = 'no' } } }, 'completion.filetypes' },
    { { completion = { exclude = 'x' } }, 'completion.exclude' },
    { { completion = { debounce_ms = 'slow' } }, 'completion.debounce_ms' },
    { { keymaps = { accept = true } }, 'keymaps.accept' },
    { { command_prefix = 'ai' }, 'command_prefix' },
    { { engine = 'openai' }, 'engine' },
    { { index = { embedder = 'minilm' } }, 'index.embedder' },
    { { 'auto' }, '1' },
  }
  local defaults = setup(nil)
  for _, case in ipairs(cases) do
    eq(defaults, setup(case[1]))
    eq(1, #warnings)
    ok(warnings[1]:find("'" .. case[2] .. "'", 1, true), warnings[1])
  end
end)

it('says two mistakes in one warning', function()
  setup({ engine = 1, tier = 2 })
  eq(1, #warnings)
  ok(warnings[1]:find("'engine'", 1, true) and warnings[1]:find("'tier'", 1, true))
end)

it('lets a key be removed', function()
  eq(false, setup({ keymaps = { accept = false } }).keymaps.accept)
  eq({}, warnings)
end)

it("tells the daemon what the person set, and nothing that is the editor's", function()
  setup({ engine = 'llamacpp', keymaps = { accept = '<C-y>' }, completion = { filetypes = {} } })
  eq(
    '{"completion":{"filetypes":{}},"engine":"llamacpp"}',
    (
      vim.json.encode(config.daemon_options()):gsub('^({)(.*)(})$', function(open, inner, close)
        local parts = vim.split(inner, ',', { plain = true })
        table.sort(parts)
        return open .. table.concat(parts, ',') .. close
      end)
    )
  )
  setup(nil)
  eq('{}', vim.json.encode(config.daemon_options()))
end)
