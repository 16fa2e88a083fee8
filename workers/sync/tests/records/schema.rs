//! The schema as it is, so that a test sees the column that the next migration adds.

use sqlx::AnyPool;

use crate::support::Db;

/// A column that holds text.
pub(crate) struct Column {
    pub(crate) table: String,
    pub(crate) name: String,
}

impl Db {
    /// A connection beside the records' own.
    pub(crate) async fn pool(&self) -> AnyPool {
        AnyPool::connect(&self.url).await.unwrap()
    }

    /// Every column that holds text, of the tables that the migrations make.
    pub(crate) async fn text_columns(&self) -> Vec<Column> {
        let statement = match self.folder {
            Some(_) => {
                "select tables.name, columns.name from sqlite_master as tables join pragma_table_info(tables.name) as columns
                 where tables.type = 'table' and lower(columns.type) = 'text' order by 1, 2"
            }
            None => {
                "select cast(table_name as text), cast(column_name as text) from information_schema.columns
                 where table_schema = 'public' and data_type = 'text' order by 1, 2"
            }
        };
        let rows: Vec<(String, String)> = sqlx::query_as(statement).fetch_all(&self.pool().await).await.unwrap();
        let own = rows.into_iter().filter(|(table, _)| table != "_sqlx_migrations");
        own.map(|(table, name)| Column { table, name }).collect()
    }

    /// The columns, as `table.column`, in which the word stands.
    pub(crate) async fn columns_with(&self, word: &str) -> Vec<String> {
        let pool = self.pool().await;
        let mut found = Vec::new();
        for Column { table, name } in self.text_columns().await {
            let query = format!("select count(*) from {table} where {name} like '%{word}%'");
            let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&pool).await.unwrap();
            if rows > 0 {
                found.push(format!("{table}.{name}"));
            }
        }
        found
    }
}
