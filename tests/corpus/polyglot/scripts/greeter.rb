module Greeter
  class Polite
    def greet(name)
      "Good day, #{name}"
    end
  end
end
