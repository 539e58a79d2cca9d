//! Plans that DataFusion makes by itself stay exactly what they are.

use datafusion::prelude::SessionContext;

use super::{context, run};

const TABLES: [&str; 8] = [
    "CREATE TABLE part (p_partkey BIGINT, p_name VARCHAR, p_mfgr VARCHAR, p_brand VARCHAR, p_type VARCHAR, p_size INT, \
     p_container VARCHAR, p_retailprice DECIMAL(15,2), p_comment VARCHAR)",
    "CREATE TABLE supplier (s_suppkey BIGINT, s_name VARCHAR, s_address VARCHAR, s_nationkey BIGINT, s_phone VARCHAR, \
     s_acctbal DECIMAL(15,2), s_comment VARCHAR)",
    "CREATE TABLE partsupp (ps_partkey BIGINT, ps_suppkey BIGINT, ps_availqty INT, ps_supplycost DECIMAL(15,2), \
     ps_comment VARCHAR)",
    "CREATE TABLE customer (c_custkey BIGINT, c_name VARCHAR, c_address VARCHAR, c_nationkey BIGINT, c_phone VARCHAR, \
     c_acctbal DECIMAL(15,2), c_mktsegment VARCHAR, c_comment VARCHAR)",
    "CREATE TABLE orders (o_orderkey BIGINT, o_custkey BIGINT, o_orderstatus VARCHAR, o_totalprice DECIMAL(15,2), \
     o_orderdate DATE, o_orderpriority VARCHAR, o_clerk VARCHAR, o_shippriority INT, o_comment VARCHAR)",
    "CREATE TABLE lineitem (l_orderkey BIGINT, l_partkey BIGINT, l_suppkey BIGINT, l_linenumber INT, \
     l_quantity DECIMAL(15,2), l_extendedprice DECIMAL(15,2), l_discount DECIMAL(15,2), l_tax DECIMAL(15,2), \
     l_returnflag VARCHAR, l_linestatus VARCHAR, l_shipdate DATE, l_commitdate DATE, l_receiptdate DATE, \
     l_shipinstruct VARCHAR, l_shipmode VARCHAR, l_comment VARCHAR)",
    "CREATE TABLE nation (n_nationkey BIGINT, n_name VARCHAR, n_regionkey BIGINT, n_comment VARCHAR)",
    "CREATE TABLE region (r_regionkey BIGINT, r_name VARCHAR, r_comment VARCHAR)",
];

/// TPC-H queries 2, 4, 11, 15 (its view inlined), 16, 17, 18, 20, 21 and 22: those with subqueries.
const QUERIES: [&str; 10] = [
    "select s_acctbal, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment from part, supplier, partsupp, \
     nation, region where p_partkey = ps_partkey and s_suppkey = ps_suppkey and p_size = 15 and p_type like '%BRASS' and \
     s_nationkey = n_nationkey and n_regionkey = r_regionkey and r_name = 'EUROPE' and ps_supplycost = (select \
     min(ps_supplycost) from partsupp, supplier, nation, region where p_partkey = ps_partkey and s_suppkey = ps_suppkey \
     and s_nationkey = n_nationkey and n_regionkey = r_regionkey and r_name = 'EUROPE') order by s_acctbal desc, n_name, \
     s_name, p_partkey limit 100",
    "select o_orderpriority, count(*) as order_count from orders where o_orderdate >= date '1993-07-01' and o_orderdate < \
     date '1993-07-01' + interval '3' month and exists (select * from lineitem where l_orderkey = o_orderkey and \
     l_commitdate < l_receiptdate) group by o_orderpriority order by o_orderpriority",
    "select ps_partkey, sum(ps_supplycost * ps_availqty) as value from partsupp, supplier, nation where ps_suppkey = \
     s_suppkey and s_nationkey = n_nationkey and n_name = 'GERMANY' group by ps_partkey having sum(ps_supplycost * \
     ps_availqty) > (select sum(ps_supplycost * ps_availqty) * 0.0001 from partsupp, supplier, nation where ps_suppkey = \
     s_suppkey and s_nationkey = n_nationkey and n_name = 'GERMANY') order by value desc",
    "with revenue as (select l_suppkey as supplier_no, sum(l_extendedprice * (1 - l_discount)) as total_revenue from \
     lineitem where l_shipdate >= date '1996-01-01' group by l_suppkey) select s_suppkey, total_revenue from supplier, \
     revenue where s_suppkey = supplier_no and total_revenue = (select max(total_revenue) from revenue) order by s_suppkey",
    "select p_brand, p_type, p_size, count(distinct ps_suppkey) as supplier_cnt from partsupp, part where p_partkey = \
     ps_partkey and p_brand <> 'Brand#45' and p_type not like 'MEDIUM POLISHED%' and p_size in (49, 14, 23) and ps_suppkey \
     not in (select s_suppkey from supplier where s_comment like '%Customer%Complaints%') group by p_brand, p_type, p_size",
    "select sum(l_extendedprice) / 7.0 as avg_yearly from lineitem, part where p_partkey = l_partkey and p_brand = \
     'Brand#23' and p_container = 'MED BOX' and l_quantity < (select 0.2 * avg(l_quantity) from lineitem where l_partkey = \
     p_partkey)",
    "select c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice, sum(l_quantity) from customer, orders, lineitem where \
     o_orderkey in (select l_orderkey from lineitem group by l_orderkey having sum(l_quantity) > 300) and c_custkey = \
     o_custkey and o_orderkey = l_orderkey group by c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice",
    "select s_name, s_address from supplier, nation where s_suppkey in (select ps_suppkey from partsupp where ps_partkey in \
     (select p_partkey from part where p_name like 'forest%') and ps_availqty > (select 0.5 * sum(l_quantity) from lineitem \
     where l_partkey = ps_partkey and l_suppkey = ps_suppkey and l_shipdate >= date '1994-01-01' and l_shipdate < date \
     '1994-01-01' + interval '1' year)) and s_nationkey = n_nationkey and n_name = 'CANADA' order by s_name",
    "select s_name, count(*) as numwait from supplier, lineitem l1, orders, nation where s_suppkey = l1.l_suppkey and \
     o_orderkey = l1.l_orderkey and o_orderstatus = 'F' and l1.l_receiptdate > l1.l_commitdate and exists (select * from \
     lineitem l2 where l2.l_orderkey = l1.l_orderkey and l2.l_suppkey <> l1.l_suppkey) and not exists (select * from \
     lineitem l3 where l3.l_orderkey = l1.l_orderkey and l3.l_suppkey <> l1.l_suppkey and l3.l_receiptdate > \
     l3.l_commitdate) and s_nationkey = n_nationkey and n_name = 'SAUDI ARABIA' group by s_name order by numwait desc, \
     s_name limit 100",
    "select cntrycode, count(*) as numcust, sum(c_acctbal) as totacctbal from (select substring(c_phone from 1 for 2) as \
     cntrycode, c_acctbal from customer where substring(c_phone from 1 for 2) in ('13', '31', '23') and c_acctbal > (select \
     avg(c_acctbal) from customer where c_acctbal > 0.00 and substring(c_phone from 1 for 2) in ('13', '31', '23')) and not \
     exists (select * from orders where o_custkey = c_custkey)) as custsale group by cntrycode order by cntrycode",
];

async fn optimized(ctx: &SessionContext, query: &str) -> String {
    let plan = ctx.state().create_logical_plan(query).await.unwrap();
    format!("{}", ctx.state().optimize(&plan).unwrap().display_indent_schema())
}

#[tokio::test]
async fn tpch_plans_are_datafusions() {
    let (ours, stock) = (context(), SessionContext::new_with_config(context().copied_config()));
    for table in TABLES {
        run(&ours, table).await.unwrap();
        run(&stock, table).await.unwrap();
    }
    for query in QUERIES {
        assert_eq!(optimized(&ours, query).await, optimized(&stock, query).await, "{query}");
    }
}

/// So the comparison above can tell a plan of ours from one of DataFusion's.
#[tokio::test]
async fn refused_subqueries_are_rewritten() {
    let (ours, stock) = (context(), SessionContext::new());
    let query = "SELECT n_name, (SELECT count(*) FROM region WHERE r_regionkey < n_regionkey) FROM nation";
    for table in TABLES {
        run(&ours, table).await.unwrap();
        run(&stock, table).await.unwrap();
    }
    assert!(run(&stock, query).await.is_err());
    assert!(optimized(&ours, query).await.contains("__domain_"));
}
