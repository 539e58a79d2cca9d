//! The tree of an array expression.

use crate::Span;

/// An expression, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ExprKind {
    /// `null`.
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// The imaginary part of a complex number: `2j`.
    Imaginary(f64),
    Text(String),
    /// `[a, b]`, which is both a list and a tuple.
    List(Vec<Expr>),
    /// A name, or a name with the schema it is in.
    Name(Vec<Ident>),
    /// `array(SELECT ...)`: the numeric columns of a query. The text is the query's.
    Query(Span),
    Unary {
        op: UnaryOp,
        operand: Box<Expr>,
    },
    Binary {
        op: BinaryOp,
        /// Where the operator stands.
        op_span: Span,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `linalg.norm(x)`. Whether `a.sum(x)` is the function `a.sum` or the method `sum` of the array `a` is for those to
    /// say who know the names.
    Call {
        function: Vec<Ident>,
        arguments: Vec<Argument>,
    },
    /// `(x + 1).sum()`.
    Method {
        receiver: Box<Expr>,
        method: Ident,
        arguments: Vec<Argument>,
    },
    /// `(x + 1).shape`, which is refused with what to write instead.
    Attribute {
        receiver: Box<Expr>,
        name: Ident,
    },
    Subscript {
        base: Box<Expr>,
        entries: Vec<Entry>,
    },
}

/// A name: in lower case unless it is quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ident {
    pub(crate) value: String,
    pub(crate) quoted: bool,
    pub(crate) span: Span,
}

/// An argument of a call: `x`, or `axis => 0`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Argument {
    pub(crate) keyword: Option<Ident>,
    pub(crate) value: Expr,
}

/// One entry between the brackets of a subscript.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Entry {
    Index(Expr),
    Slice { start: Option<Expr>, stop: Option<Expr>, step: Option<Expr> },
    Ellipsis,
    NewAxis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnaryOp {
    Plus,
    Minus,
    Invert,
    Not,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    BitOr,
    BitXor,
    BitAnd,
    ShiftLeft,
    ShiftRight,
    Add,
    Subtract,
    Multiply,
    MatMul,
    Divide,
    FloorDivide,
    Remainder,
    Power,
}

impl BinaryOp {
    /// How it is written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Or => "OR",
            Self::And => "AND",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::BitOr => "|",
            Self::BitXor => "^",
            Self::BitAnd => "&",
            Self::ShiftLeft => "<<",
            Self::ShiftRight => ">>",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::MatMul => "@",
            Self::Divide => "/",
            Self::FloorDivide => "//",
            Self::Remainder => "%",
            Self::Power => "**",
        }
    }

    /// How tightly it binds: Python's order. `None` of these is right-associative but the power, which the parser takes by
    /// itself.
    pub(crate) fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            // NOT stands here, at 3.
            Self::Equal | Self::NotEqual | Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual => 4,
            Self::BitOr => 5,
            Self::BitXor => 6,
            Self::BitAnd => 7,
            Self::ShiftLeft | Self::ShiftRight => 8,
            Self::Add | Self::Subtract => 9,
            Self::Multiply | Self::MatMul | Self::Divide | Self::FloorDivide | Self::Remainder => 10,
            // The signs and `~` stand here, at 11.
            Self::Power => 12,
        }
    }

    pub(crate) fn is_comparison(self) -> bool {
        self.precedence() == Self::Equal.precedence()
    }
}

/// Where the operators with one operand stand among [`BinaryOp::precedence`].
impl UnaryOp {
    pub(crate) fn precedence(self) -> u8 {
        match self {
            Self::Not => 3,
            Self::Plus | Self::Minus | Self::Invert => 11,
        }
    }
}
