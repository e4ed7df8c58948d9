pub struct Parser {
    input: String,
}

impl Parser {
    pub fn new(input: &str) -> Self {
        Parser { input: input.to_string() }
    }

    pub fn first_word(&self) -> Option<&str> {
        self.input.split_whitespace().next()
    }
}

pub trait Visitor {
    fn visit(&mut self, word: &str);
}
