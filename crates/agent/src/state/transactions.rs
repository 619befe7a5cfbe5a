//! Transactions and their receipts: an index over the journals, and what `history` and `receipt` show.

use landfall_model::api::{Deployed, HistoryLine};
use landfall_model::{
    AppName, EnvironmentName, Fault, Outcome, Plan, Receipt, ReleaseState, ServiceName, Timestamp,
    TransactionId,
};
use rusqlite::{OptionalExtension as _, Row, params};

use super::{State, json, named, parsed, word};

/// What is remembered of an application and environment as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EnvironmentRow {
    pub(crate) generation: u64,
    pub(crate) newest_moment: Option<String>,
}

/// A transaction that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransactionRow {
    pub(crate) app: AppName,
    pub(crate) environment: EnvironmentName,
    pub(crate) number: TransactionId,
}

fn history_line(row: &Row<'_>) -> rusqlite::Result<HistoryLine> {
    Ok(HistoryLine {
        transaction: TransactionId(row.get(0)?),
        kind: named(row.get(1)?)?,
        holder: row.get(2)?,
        version: named(row.get(3)?)?,
        services: parsed(&row.get::<_, String>(4)?)?,
        begun: named(row.get(5)?)?,
        ended: row.get::<_, Option<String>>(6)?.map(named).transpose()?,
        outcome: row.get::<_, Option<String>>(7)?.map(named).transpose()?,
        why: row.get(8)?,
    })
}

impl State {
    /// Every application and environment that was ever deployed here and is not gone.
    pub(crate) fn deployed(&self) -> Result<Vec<Deployed>, Fault> {
        self.read(|c| {
            c.prepare_cached(
                "SELECT DISTINCT app, environment FROM services
                 UNION SELECT app, environment FROM transactions WHERE ended IS NULL ORDER BY 1, 2",
            )?
            .query_map([], |row| Ok(Deployed { app: named(row.get(0)?)?, environment: named(row.get(1)?)? }))?
            .collect()
        })
    }

    /// Those of them where something is: a release that is no failed one, an instance, an open transaction.
    pub(crate) fn present(&self) -> Result<Vec<Deployed>, Fault> {
        self.read(|c| {
            c.prepare_cached(
                "SELECT app, environment FROM releases WHERE state <> ?1
                 UNION SELECT app, environment FROM instances
                 UNION SELECT app, environment FROM transactions WHERE ended IS NULL ORDER BY 1, 2",
            )?
            .query_map([word(&ReleaseState::Failed)?], |row| {
                Ok(Deployed { app: named(row.get(0)?)?, environment: named(row.get(1)?)? })
            })?
            .collect()
        })
    }

    /// The generation of an application and environment, and the newest moment any of its versions carries.
    pub(crate) fn environment(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
    ) -> Result<EnvironmentRow, Fault> {
        let row = self.read(|c| {
            c.prepare_cached(
                "SELECT generation, newest_moment FROM environments WHERE app = ?1 AND environment = ?2",
            )?
            .query_row([app.as_str(), environment.as_str()], |row| {
                Ok(EnvironmentRow { generation: row.get(0)?, newest_moment: row.get(1)? })
            })
            .optional()
        })?;
        Ok(row.unwrap_or_default())
    }

    /// Begins a transaction: gives it its number and makes every plan against the old generation stale.
    pub(crate) fn begin(&self, plan: &Plan, holder: &str, now: Timestamp) -> Result<TransactionId, Fault> {
        let (app, environment) = (plan.app.as_str(), plan.environment.as_str());
        let services: Vec<&ServiceName> = changed(plan).collect();
        self.write(|c| {
            c.execute(
                "INSERT INTO environments VALUES (?1, ?2, 1, ?3)
                 ON CONFLICT DO UPDATE SET generation = generation + 1,
                     newest_moment = max(coalesce(newest_moment, ''), excluded.newest_moment)",
                [app, environment, plan.version.moment()],
            )?;
            let number: u64 = c.query_row(
                "SELECT coalesce(max(number), 0) + 1 FROM transactions WHERE app = ?1 AND environment = ?2",
                [app, environment],
                |row| row.get(0),
            )?;
            c.execute(
                "INSERT INTO transactions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, NULL, NULL)",
                params![
                    app,
                    environment,
                    number,
                    word(&plan.kind)?,
                    holder,
                    plan.version.to_string(),
                    json(&services)?,
                    now.to_string()
                ],
            )?;
            Ok(TransactionId(number))
        })
    }

    /// Ends a transaction and keeps its receipts.
    pub(crate) fn end(
        &self,
        row: &TransactionRow,
        now: Timestamp,
        outcome: Outcome,
        why: Option<&str>,
        receipts: &[Receipt],
    ) -> Result<(), Fault> {
        let (app, environment) = (row.app.as_str(), row.environment.as_str());
        self.write(|c| {
            c.execute(
                "UPDATE transactions SET ended = ?4, outcome = ?5, why = ?6
                 WHERE app = ?1 AND environment = ?2 AND number = ?3",
                params![app, environment, row.number.0, now.to_string(), word(&outcome)?, why],
            )?;
            c.execute(
                "UPDATE environments SET generation = generation + 1 WHERE app = ?1 AND environment = ?2",
                [app, environment],
            )?;
            for receipt in receipts {
                c.execute(
                    "INSERT OR REPLACE INTO receipts VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![
                        app,
                        environment,
                        row.number.0,
                        receipt.service.as_str(),
                        receipt.version.to_string(),
                        json(receipt)?
                    ],
                )?;
            }
            Ok(())
        })
    }

    /// Transactions that have begun and not ended, of all applications.
    pub(crate) fn open_transactions(&self) -> Result<Vec<TransactionRow>, Fault> {
        self.read(|c| {
            c.prepare_cached(
                "SELECT app, environment, number FROM transactions WHERE ended IS NULL ORDER BY begun",
            )?
            .query_map([], |row| {
                Ok(TransactionRow {
                    app: named(row.get(0)?)?,
                    environment: named(row.get(1)?)?,
                    number: TransactionId(row.get(2)?),
                })
            })?
            .collect()
        })
    }

    /// The newest `limit` transactions, newest first.
    pub(crate) fn history(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        limit: u32,
    ) -> Result<Vec<HistoryLine>, Fault> {
        self.read(|c| {
            c.prepare_cached(
                "SELECT number, kind, holder, version, services, begun, ended, outcome, why FROM transactions
                 WHERE app = ?1 AND environment = ?2 ORDER BY number DESC LIMIT ?3",
            )?
            .query_map(params![app.as_str(), environment.as_str(), limit], history_line)?
            .collect()
        })
    }

    /// The receipts of one transaction.
    pub(crate) fn receipts_of(&self, row: &TransactionRow) -> Result<Vec<Receipt>, Fault> {
        self.read(|c| {
            c.prepare_cached(
                "SELECT receipt FROM receipts WHERE app = ?1 AND environment = ?2 AND number = ?3 ORDER BY service",
            )?
            .query_map(params![row.app.as_str(), row.environment.as_str(), row.number.0], |row| {
                parsed(&row.get::<_, String>(0)?)
            })?
            .collect()
        })
    }

    /// The newest receipts: of the newest transaction that has any, or the newest of that version; of one service or
    /// all.
    pub(crate) fn receipts(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        version: Option<&str>,
        service: Option<&ServiceName>,
    ) -> Result<Vec<Receipt>, Fault> {
        let service = service.map(ServiceName::as_str);
        self.read(|c| {
            c.prepare_cached(
                "SELECT receipt FROM receipts r WHERE app = ?1 AND environment = ?2
                   AND (?3 IS NULL OR version = ?3) AND (?4 IS NULL OR service = ?4)
                   AND number = (
                     SELECT max(number) FROM receipts WHERE app = ?1 AND environment = ?2
                       AND (?3 IS NULL OR version = ?3) AND (?4 IS NULL OR service = ?4))
                 ORDER BY service",
            )?
            .query_map(params![app.as_str(), environment.as_str(), version, service], |row| {
                parsed(&row.get::<_, String>(0)?)
            })?
            .collect()
        })
    }
}

/// The services that a plan changes.
fn changed(plan: &Plan) -> impl Iterator<Item = &ServiceName> {
    plan.services
        .iter()
        .filter(|line| !matches!(line.change, landfall_model::Change::Unchanged))
        .map(|line| &line.service)
}
