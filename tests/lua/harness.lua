-- What a spec may use: it(name, fn), eq(expected, actual), ok(value, message).
local M = {}

local cases = {}

function it(name, fn)
  table.insert(cases, { name = name, fn = fn })
end

function eq(expected, actual)
  if not vim.deep_equal(expected, actual) then
    local text = 'expected %s\n     got %s'
    error(text:format(vim.inspect(expected), vim.inspect(actual)), 2)
  end
end

function ok(value, message)
  if not value then
    error(message or 'is not true', 2)
  end
end

--- Runs a spec file and returns an empty string or the traceback for each of its cases by name.
function M.run(path)
  cases = {}
  dofile(path)
  local results = {}
  for _, case in ipairs(cases) do
    vim.cmd('silent! %bwipeout!')
    local passed, err = xpcall(case.fn, debug.traceback)
    results[case.name] = passed and '' or err
  end
  return results
end

return M
