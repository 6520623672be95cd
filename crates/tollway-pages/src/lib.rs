//! What people look at: the door to local pages, their frame, style and live parts, and the console.
