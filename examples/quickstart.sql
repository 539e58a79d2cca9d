-- Flights out of New York in 2013, straight from the files in examples/data. Run it from the top of the repository:
--   cargo run --release -- -f examples/quickstart.sql

-- A view gives a file a short name; the file is read when the view is.
CREATE VIEW flights AS FROM 'examples/data/flights.parquet';
CREATE VIEW airlines AS FROM 'examples/data/airlines.csv';
CREATE VIEW weather AS FROM read_csv('examples/data/weather.csv', nullstr => 'NA');

-- Join and group: which airlines are late, and how often do they cancel?
SELECT name AS airline,
       count(*) AS flights,
       round(avg(arr_delay), 1) AS mean_delay_minutes,
       round(100.0 * count(*) FILTER (WHERE dep_time IS NULL) / count(*), 2) AS cancelled_percent
FROM flights JOIN airlines USING (carrier)
GROUP BY name
ORDER BY mean_delay_minutes DESC
LIMIT 5;

-- Window: the three destinations with the most flights from each airport.
SELECT origin, dest, flights, rank
FROM (SELECT origin, dest, count(*) AS flights,
             rank() OVER (PARTITION BY origin ORDER BY count(*) DESC) AS rank
      FROM flights
      GROUP BY origin, dest)
WHERE rank <= 3
ORDER BY origin, rank;

-- Does wind make flights late? A join on four columns of two files in two formats.
SELECT CASE WHEN wind_speed < 10 THEN 'calm'
            WHEN wind_speed < 20 THEN 'breeze'
            ELSE 'strong wind' END AS wind,
       count(*) AS flights,
       round(avg(dep_delay), 1) AS mean_delay_minutes
FROM flights f
JOIN weather w ON f.origin = w.origin AND f.month = w.month AND f.day = w.day AND f.hour = w.hour
WHERE wind_speed IS NOT NULL AND dep_delay IS NOT NULL
GROUP BY 1
ORDER BY mean_delay_minutes;

-- A correlated subquery: the longest flight of each airline that flies fewer than 1,000 times.
SELECT a.name AS airline,
       (SELECT max(f.distance) FROM flights f WHERE f.carrier = a.carrier) AS longest_miles
FROM airlines a
WHERE (SELECT count(*) FROM flights f WHERE f.carrier = a.carrier) < 1000
ORDER BY longest_miles DESC;
