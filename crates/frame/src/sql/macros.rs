//! Macros: expressions with parameters, written out where they are called.
//!
//! ```text
//! CREATE MACRO f(a, b := 1) AS a + b      f(x * 2)   ──>   (x * 2) + (1)
//! ```
//!
//! What a macro means does not depend on where it is called: its body names its parameters and what its own subqueries read,
//! nothing else. **A name of an argument never means a column of the body, nor the other way round.**

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, Query, Spanned, Value, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::error::{Error, Result};
use crate::sql::calls::{Calls, called_name};
use crate::sql::parse::normalized;
use crate::sql::relations::position;
use crate::sql::walk::walk;

/// The macros of a session, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Macros(BTreeMap<String, Arc<Macro>>);

impl Macros {
    /// In the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Macro> {
        self.0.values().map(AsRef::as_ref)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn insert(&mut self, definition: Arc<Macro>) {
        self.0.insert(definition.name.clone(), definition);
    }

    /// Removes a macro; `false` if there is none.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }
}

/// An expression with a name and parameters.
#[derive(Debug)]
pub(crate) struct Macro {
    name: String,
    parameters: Vec<Parameter>,
    body: Expr,
    /// What the value is cast to.
    returns: Option<DataType>,
    n_nodes: usize,
}

/// A parameter as it is declared.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub(crate) name: Ident,
    /// What the argument is cast to.
    pub(crate) data_type: Option<DataType>,
    pub(crate) default: Option<Expr>,
}

#[derive(Debug)]
struct Parameter {
    declared: Declared,
    name: String,
    n_uses: usize,
    /// Whether the body uses it in a subquery, where the names of an argument would mean other columns.
    is_in_subquery: bool,
}

impl Macro {
    /// Checks a definition.
    ///
    /// # Errors
    /// A message and its place: a parameter that is there twice, a name in the body that is none of them, a call of itself.
    pub(crate) fn try_new(
        name: &Ident,
        declared: Vec<Declared>,
        mut body: Expr,
        returns: Option<DataType>,
    ) -> Result<Self, (String, Span)> {
        let mut parameters: Vec<Parameter> = Vec::new();
        for declared in declared {
            let name = normalized(&declared.name);
            if parameters.iter().any(|other| other.name == name) {
                return Err((format!("parameter \"{name}\" is there twice"), declared.name.span));
            }
            if let Some(default) = &declared.default
                && names_a_column(default)
            {
                return Err((format!("the default of parameter \"{name}\" is to be a constant"), declared.name.span));
            }
            parameters.push(Parameter { declared, name, n_uses: 0, is_in_subquery: false });
        }
        let name = normalized(name);
        let mut check = BodyCheck { name: &name, parameters: &mut parameters, depth: 0, n_nodes: 0 };
        if let ControlFlow::Break(wrong) = VisitMut::visit(&mut body, &mut check) {
            return Err(*wrong);
        }
        let n_nodes = check.n_nodes;
        Ok(Self { name, parameters, body, returns, n_nodes })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How a call is written: `f(a, b := 1)`.
    pub(crate) fn syntax(&self) -> String {
        let parameters = self.parameters.iter().map(|parameter| match &parameter.declared.default {
            Some(default) => format!("{} := {default}", parameter.declared.name),
            None => parameter.declared.name.to_string(),
        });
        format!("{}({})", self.name, parameters.collect::<Vec<_>>().join(", "))
    }

    /// The expression that calls become.
    pub(crate) fn body(&self) -> &Expr {
        &self.body
    }

    /// One argument for each parameter.
    fn arguments(&self, call: &Function) -> Result<Vec<Expr>, String> {
        let syntax = self.syntax();
        let Function { uses_odbc_syntax: _, parameters, args, filter, null_treatment, over, within_group, name: _ } =
            call;
        let FunctionArguments::List(list) = args else { return Err(format!("a macro is called as {syntax}")) };
        let is_plain = matches!(parameters, FunctionArguments::None)
            && filter.is_none()
            && null_treatment.is_none()
            && over.is_none()
            && within_group.is_empty()
            && list.duplicate_treatment.is_none()
            && list.clauses.is_empty();
        if !is_plain {
            return Err(format!("{syntax} is a macro: DISTINCT, ORDER BY, FILTER and OVER stand in its body"));
        }
        let mut given: Vec<Option<Expr>> = vec![None; self.parameters.len()];
        for (idx, argument) in list.args.iter().enumerate() {
            let (idx, value) = match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => (idx, value),
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => {
                    let wanted = normalized(name);
                    let known = self.parameters.iter().position(|parameter| parameter.name == wanted);
                    (known.ok_or_else(|| format!("{syntax} has no parameter \"{wanted}\""))?, value)
                }
                _ => return Err(format!("{syntax} takes expressions, not {argument}")),
            };
            let Some(place) = given.get_mut(idx) else {
                return Err(format!("{syntax} has {} parameters, not {}", self.parameters.len(), list.args.len()));
            };
            if place.replace(value.clone()).is_some() {
                return Err(format!("the parameter \"{}\" of {syntax} has two values", self.parameters[idx].name));
            }
        }
        let values = given.into_iter().zip(&self.parameters).map(|(value, parameter)| {
            let value = value.or_else(|| parameter.declared.default.clone());
            value.ok_or_else(|| format!("the parameter \"{}\" of {syntax} has no value", parameter.name))
        });
        values.collect()
    }

    /// Refuses an argument that the body would change the meaning of.
    fn check_argument(&self, parameter: &Parameter, value: &Expr, functions: &SessionState) -> Result<(), String> {
        let Parameter { name, n_uses, is_in_subquery, .. } = parameter;
        if *is_in_subquery && names_a_column(value) {
            return Err(format!(
                "the body of {} uses \"{name}\" in a subquery, so that it is to be a constant, not {value}",
                self.syntax()
            ));
        }
        match Calls::of(value, functions).volatile {
            Some(function) if *n_uses > 1 => Err(format!(
                "the body of {} uses \"{name}\" {n_uses} times, and {function}() would be another value each time; \
                 compute it in a subquery",
                self.syntax()
            )),
            _ => Ok(()),
        }
    }

    /// The body with the arguments in place of the parameters.
    fn with_arguments(&self, arguments: Vec<Expr>, call: Span) -> Expr {
        let mut values = BTreeMap::new();
        for (parameter, value) in self.parameters.iter().zip(arguments) {
            let value = match &parameter.declared.data_type {
                Some(data_type) => cast(value, data_type.clone()),
                None => Expr::Nested(Box::new(value)),
            };
            values.insert(parameter.name.as_str(), value);
        }
        let mut body = self.body.clone();
        let _ = VisitMut::visit(&mut body, &mut Substitution { values, call });
        match &self.returns {
            Some(data_type) => cast(body, data_type.clone()),
            None => Expr::Nested(Box::new(body)),
        }
    }
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// Expressions that calls of macros may become in one statement, counted with all their parts.
const NODES_MAX: usize = 100_000;

/// Writes out the calls of macros in `statement`; `true` if there were any.
///
/// # Errors
/// [`Error::Invalid`] at the call: arguments that do not fit, macros that call each other without an end, too large a whole.
pub(crate) fn expand_macros(
    statement: &mut Statement,
    macros: &Macros,
    functions: &SessionState,
    text: &str,
) -> Result<bool> {
    if macros.0.is_empty() {
        return Ok(false);
    }
    let mut expander = Expander { macros, functions, expanding: Vec::new(), call: None, n_nodes: 0 };
    match walk(statement, &mut expander) {
        ControlFlow::Continue(()) => Ok(expander.n_nodes > 0),
        ControlFlow::Break(wrong) => {
            let (message, span) = *wrong;
            Err(Error::Invalid { message, position: position(text, span), source: None })
        }
    }
}

/// A message and its place; boxed, because the walk keeps one of these on the stack for every level.
type Wrong = Box<(String, Span)>;

struct Expander<'a> {
    macros: &'a Macros,
    functions: &'a SessionState,
    /// The macros whose bodies are being written out, outermost first.
    expanding: Vec<String>,
    /// The outermost call.
    call: Option<Span>,
    n_nodes: usize,
}

impl VisitorMut for Expander<'_> {
    type Break = Wrong;

    /// Arguments first, so that a macro may be called in its own argument.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Wrong> {
        let Expr::Function(call) = expr else { return ControlFlow::Continue(()) };
        let macros = self.macros;
        let Some(definition) = called_name(call).and_then(|name| macros.0.get(&name)) else {
            return ControlFlow::Continue(());
        };
        let is_outermost = self.call.is_none();
        let span = *self.call.get_or_insert_with(|| call.name.span());
        match self.expanded(definition, call, span) {
            Ok(body) => *expr = body,
            Err(message) => return ControlFlow::Break(Box::new((message, span))),
        }
        self.expanding.push(definition.name.clone());
        VisitMut::visit(expr, self)?;
        self.expanding.pop();
        if is_outermost {
            self.call = None;
        }
        ControlFlow::Continue(())
    }
}

impl Expander<'_> {
    fn expanded(&mut self, definition: &Macro, call: &Function, span: Span) -> Result<Expr, String> {
        let name = &definition.name;
        if self.expanding.contains(name) {
            let path = self.expanding.join(", ");
            return Err(format!("macro \"{name}\" is defined by itself, by way of {path}; replace one of them"));
        }
        let arguments = definition.arguments(call)?;
        self.n_nodes += definition.n_nodes;
        for (parameter, value) in definition.parameters.iter().zip(&arguments) {
            definition.check_argument(parameter, value, self.functions)?;
            self.n_nodes += parameter.n_uses * n_nodes(value);
        }
        if self.n_nodes > NODES_MAX {
            return Err(format!(
                "macro \"{name}\" makes more than {NODES_MAX} expressions of the statement; \
                 compute parts of it in a subquery"
            ));
        }
        Ok(definition.with_arguments(arguments, span))
    }
}

fn n_nodes(expr: &Expr) -> usize {
    struct Count(usize);
    impl Visitor for Count {
        type Break = ();

        fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
            self.0 += 1;
            ControlFlow::Continue(())
        }
    }
    let mut count = Count(0);
    let _ = Visit::visit(expr, &mut count);
    count.0
}

/// Whether a name in `expr` is, or may be, that of a column around it.
fn names_a_column(expr: &Expr) -> bool {
    struct Names;
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    Visit::visit(expr, &mut Names).is_break()
}

/// Looks where a body uses the parameters, and refuses other names.
struct BodyCheck<'a> {
    name: &'a str,
    parameters: &'a mut Vec<Parameter>,
    /// Subqueries around the expression that is visited.
    depth: usize,
    n_nodes: usize,
}

impl VisitorMut for BodyCheck<'_> {
    type Break = Wrong;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<Wrong> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Wrong> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Wrong> {
        self.n_nodes += 1;
        let wrong = |message: String, span| ControlFlow::Break(Box::new((message, span)));
        match expr {
            Expr::Identifier(ident) => {
                let name = normalized(ident);
                match self.parameters.iter_mut().find(|parameter| parameter.name == name) {
                    Some(parameter) => {
                        parameter.n_uses += 1;
                        parameter.is_in_subquery |= self.depth > 0;
                    }
                    None if self.depth > 0 => {}
                    None => {
                        let message = format!("\"{name}\" is no parameter of the macro; add it, and pass the column");
                        return wrong(message, ident.span);
                    }
                }
            }
            Expr::CompoundIdentifier(parts) if self.depth == 0 => {
                let names: Vec<String> = parts.iter().map(ToString::to_string).collect();
                let message = format!(
                    "{} is no parameter of the macro; pass the column, or write ({}).{} for a field",
                    names.join("."),
                    names[0],
                    names[1..].join(".")
                );
                return wrong(message, parts[0].span);
            }
            Expr::CompoundFieldAccess { access_chain, .. } => {
                // The name of a field is no column, and is not to be taken for a parameter.
                for access in access_chain {
                    if let AccessExpr::Dot(Expr::Identifier(field)) = access {
                        let name = Value::SingleQuotedString(normalized(field));
                        *access = AccessExpr::Dot(Expr::value(name));
                    }
                }
            }
            Expr::Value(ValueWithSpan { value: Value::Placeholder(name), span }) => {
                return wrong(format!("a macro cannot hold {name}, a parameter of the statement; name its own"), *span);
            }
            Expr::Function(call) if called_name(call).as_deref() == Some(self.name) => {
                return wrong(format!("macro \"{}\" calls itself", self.name), call.name.span());
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Puts values in place of parameters. Whatever else the body names stands, for messages, where the macro is called.
struct Substitution<'a> {
    values: BTreeMap<&'a str, Expr>,
    call: Span,
}

impl VisitorMut for Substitution<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        self.place(relation);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => match self.values.get(normalized(ident).as_str()) {
                Some(value) => *expr = value.clone(),
                None => ident.span = self.call,
            },
            Expr::CompoundIdentifier(parts) => parts.iter_mut().for_each(|part| part.span = self.call),
            Expr::Value(value) => value.span = self.call,
            Expr::Function(call) => self.place(&mut call.name),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Substitution<'_> {
    fn place(&self, name: &mut ObjectName) {
        for part in &mut name.0 {
            if let ObjectNamePart::Identifier(ident) = part {
                ident.span = self.call;
            }
        }
    }
}
