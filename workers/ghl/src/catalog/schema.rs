//! Shapes as JSON Schema (draft 2020-12), for programs that build forms and check calls before they make them.

use serde_json::{Map, Value, json};

use super::{Field, Form, Place, Shape};

impl Shape {
    /// What [`Shape`] says of a value, as JSON Schema.
    #[must_use]
    pub fn schema(&self) -> Value {
        match self {
            Self::Any => json!({}),
            Self::Text => json!({"type": "string"}),
            Self::Number => json!({"type": "number"}),
            Self::Flag => json!({"type": "boolean"}),
            Self::Object => json!({"type": "object"}),
            Self::Words(words) => json!({"type": "string", "enum": words}),
            Self::OrNull(inner) => json!({"anyOf": [inner.schema(), {"type": "null"}]}),
            Self::List(item) => json!({"type": "array", "items": item.schema()}),
            Self::OneOf(shapes) => json!({"anyOf": shapes.iter().map(Self::schema).collect::<Vec<_>>()}),
            // Objects that the documents show empty are those of which they say nothing.
            Self::Fields(fields) if fields.is_empty() => json!({"type": "object"}),
            Self::Fields(fields) => members(fields.iter()),
        }
    }
}

impl Form {
    /// What a call holds, as `POST /v1/operations/{name}` takes it: `parameters` by name, and the `body`. Neither has to repeat the id of the
    /// location that the call is for.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut parameters = members(self.parameters.iter().map(|parameter| &parameter.field));
        for parameter in &self.parameters {
            let place = match parameter.place {
                Place::Path => "path",
                Place::Query => "query",
            };
            parameters["properties"][&parameter.field.name]["description"] = format!("goes into the {place}").into();
        }
        let mut properties = json!({ "parameters": without_location(parameters) });
        let mut required = Vec::new();
        if let Some(body) = &self.body {
            properties["body"] = without_location(body.shape.schema());
            required.extend(body.required.then_some("body"));
        }
        object(properties, required)
    }
}

fn without_location(mut schema: Value) -> Value {
    if let Some(required) = schema["required"].as_array_mut() {
        required.retain(|name| name != "locationId");
    }
    schema
}

fn members<'a>(fields: impl Iterator<Item = &'a Field> + Clone) -> Value {
    let required: Vec<_> = fields.clone().filter(|field| field.required).map(|field| field.name.as_str()).collect();
    let properties: Map<_, _> = fields.map(|field| (field.name.clone(), field.shape.schema())).collect();
    object(properties.into(), required)
}

fn object(properties: Value, required: Vec<&str>) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_need_not_repeat_its_location() {
        let operation = crate::catalog::catalog().operation("create-contact").unwrap();
        let schema = operation.form(None).unwrap().schema();
        assert_eq!(schema["required"], json!(["body"]));
        assert_eq!(schema["properties"]["body"]["required"], json!([]));
        assert!(schema["properties"]["body"]["properties"]["locationId"].is_object());
        let operation = crate::catalog::catalog().operation("create-task").unwrap();
        let parameters = &operation.form(None).unwrap().schema()["properties"]["parameters"];
        assert_eq!(parameters["required"], json!(["contactId"]));
        assert_eq!(parameters["properties"]["contactId"]["description"], "goes into the path");
    }

    #[test]
    fn each_shape_has_its_schema() {
        let shape = json!({
            "id*": "string", "count": "number", "on": "boolean", "free": "any", "rest": "object", "empty": {},
            "state": "=open|won", "note": "string?", "tags": ["string"], "value": {"|": ["string", ["number"]]},
        });
        let schema = Shape::read(&shape).unwrap().schema();
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "required": ["id"],
                "additionalProperties": false,
                "properties": {
                    "id": {"type": "string"},
                    "count": {"type": "number"},
                    "on": {"type": "boolean"},
                    "free": {},
                    "rest": {"type": "object"},
                    "empty": {"type": "object"},
                    "state": {"type": "string", "enum": ["open", "won"]},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "value": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "number"}}]},
                },
            })
        );
    }
}
