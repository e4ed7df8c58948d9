module Tools
  class Hammer
    def self.heavy
      new(10)
    end

    def hit(nail)
      nail.depth += @weight
    end
  end
end
