/** Style sheets become part of page.css. */
declare module '*.css';
