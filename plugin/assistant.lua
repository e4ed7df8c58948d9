-- Commands, <Plug> maps and the first InsertEnter. Requires nothing before one of them is used.
if vim.g.loaded_assistant then
  return
end
vim.g.loaded_assistant = true

local api = vim.api

---@return string
local function prefix()
  if package.loaded['assistant.config'] then
    return require('assistant.config').get().command_prefix
  end
  local given = type(vim.g.assistant) == 'table' and vim.g.assistant.command_prefix
  return type(given) == 'string' and given:match('^%u%w*$') or 'AI'
end

---@param args table
---@return { first: integer, last: integer }?
local function range_of(args)
  return args.range > 0 and { first = args.line1, last = args.line2 } or nil
end

---@type table<string, { [1]: fun(args: table), [2]: table? }>
local commands = {
  Chat = {
    function(args)
      require('assistant.chat').open({ question = args.args, range = range_of(args) })
    end,
    { nargs = '*', range = true, desc = 'Open the chat; a range attaches the lines' },
  },
  Explain = {
    function(args)
      require('assistant.chat').explain({ range = range_of(args) })
    end,
    { range = true, desc = 'Explain the lines, or the function at the cursor' },
  },
  Index = {
    function(args)
      require('assistant.index').run(args.bang)
    end,
    { bang = true, desc = 'Update the project index; ! rebuilds it' },
  },
  Search = {
    function(args)
      require('assistant.index').search(args.args)
    end,
    { nargs = '+', desc = 'Search the project into the quickfix list' },
  },
  Stop = {
    function()
      if package.loaded['assistant.chat'] then
        require('assistant.chat').stop_all()
      end
      if package.loaded['assistant.completion'] then
        require('assistant.completion').stop()
      end
    end,
    { desc = 'Stop whatever is generating' },
  },
  Toggle = {
    function(args)
      require('assistant.completion').toggle(args.bang)
    end,
    { bang = true, desc = 'Switch completion on or off; ! for this buffer only' },
  },
  Model = {
    function(args)
      require('assistant.model').run(args.args)
    end,
    {
      nargs = '?',
      desc = 'Show or switch the model',
      complete = function(lead)
        return require('assistant.model').complete(lead)
      end,
    },
  },
  Context = {
    function()
      require('assistant.context').show()
    end,
    { desc = 'Show what would be sent for a completion at the cursor' },
  },
  Status = {
    function()
      require('assistant.status').show()
    end,
    { desc = 'Show the state of editor, daemon, engine and index' },
  },
  Log = {
    function()
      require('assistant.status').log()
    end,
    { desc = 'Open the log' },
  },
  Install = {
    function()
      require('assistant.install').run()
    end,
    { desc = "Build or repair the plugin's Python environment" },
  },
}

for name in pairs(commands) do
  if vim.g.assistant_prefix then
    pcall(api.nvim_del_user_command, vim.g.assistant_prefix .. name)
  end
end
vim.g.assistant_prefix = prefix()
for name, command in pairs(commands) do
  api.nvim_create_user_command(vim.g.assistant_prefix .. name, command[1], command[2] or {})
end

for _, action in ipairs({
  'accept',
  'accept_word',
  'accept_line',
  'next',
  'prev',
  'dismiss',
  'complete',
}) do
  api.nvim_set_keymap('i', ('<Plug>(assistant-%s)'):format(action:gsub('_', '-')), '', {
    noremap = true,
    silent = true,
    callback = function()
      require('assistant')[action]()
    end,
  })
end

api.nvim_create_autocmd('InsertEnter', {
  group = api.nvim_create_augroup('assistant.start', {}),
  once = true,
  callback = function()
    require('assistant.completion').start()
    require('assistant.completion').on_insert_enter()
  end,
})
